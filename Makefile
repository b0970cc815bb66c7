# Two commands set the project up: `make quickstart` (a study, end to end) and `make test` (the suite).
PYTHON ?= python3
BIN := .venv/bin
CIFAR_ARCHIVE ?= ../shared/data/cifar10-jpeg.tar.xz

# One thread per process: Ray's workers and pytest's share the cores between them.
export OMP_NUM_THREADS ?= 1
export RAY_USAGE_STATS_ENABLED = 0

# pip compiles twenty thousand modules one after the other, which takes half of its time: here all cores compile them,
# but for the packages' own tests. Some files are templates and no Python.
define install
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -e $(1)
	$(BIN)/python -m compileall -q -j 0 -x '/tests?/' .venv/lib >/dev/null || true
endef

.PHONY: quickstart test test-slow test-gpu ready lint install install-dev clean

quickstart: .venv/.installed
	$(BIN)/ana-search launch studies/quickstart.toml --workers 2
	$(BIN)/ana-search export studies/quickstart.toml --top 1 --out results/quickstart/models
	$(BIN)/ana-search analyse studies/quickstart.toml --out results/quickstart

test: ready
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not gpu"

test-slow: ready
	$(BIN)/pytest -m "slow and not gpu"

# On a machine with a CUDA device.
test-gpu: .venv/.installed-dev
	$(BIN)/pytest -m gpu

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: .venv/.installed
install-dev: .venv/.installed-dev

.venv/.installed: pyproject.toml
	$(call install,.)
	touch $@

# What the tests need holds what a user needs: one installation, whichever is asked for first.
.venv/.installed-dev: pyproject.toml
	$(call install,".[dev]")
	touch .venv/.installed $@

# PyTorch is installed while the images are unpacked.
ready:
	@$(MAKE) --no-print-directory --jobs=2 .venv/.installed-dev data/cifar10-jpeg

# The CIFAR-10 images that some tests and studies train on; without the archive those tests are skipped.
data/cifar10-jpeg:
	@if [ -f "$(CIFAR_ARCHIVE)" ]; then \
		mkdir -p $@.part && tar xJf "$(CIFAR_ARCHIVE)" -C $@.part && mv $@.part $@; \
	else \
		echo "no $(CIFAR_ARCHIVE): tests on CIFAR-10 images will be skipped"; \
	fi

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache test-artifacts
