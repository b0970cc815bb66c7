PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart test test-slow lint install install-dev clean

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

install: .venv/.installed
install-dev: .venv/.installed-dev

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
