"""Passwords: not in a message, whatever the URL looks like, and not in what is inherited."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ana_search.errors import StorageError
from ana_search.passwords import hide_in_answer, hide_in_url, hide_password, without_passwords
from ana_search.storage import open_storage

ODD = [
    "postgresql://ana:{}@host:5432/db",
    "postgresql+psycopg://ana:{}@host/db",
    "postgresql:/ana:{}@host/db",
    "postgresql//ana:{}@host/db",
    "postgresql:ana:{}@host/db",
    "postgresql:///ana:{}@host/db",
    "POSTGRESQL://ana:{}@host/db",
    "postgres://ana:{}@host/db",
    "mysql+pymysql://:{}@host/db",
    "mysql:/ana:{}@host/db",
    "postgresql://ana:{}",
    "postgresql://ana:{}/db",
    "postgresql://host/db?sslpassword={}",
    "postgresql://host/db?user=ana&password={}",
    "postgresql://host/db?user=ana&PassWord={}&sslmode=require",
    "postgresql://host/db?passwd={}",
    "mysql://host/db?ssl_key_password={}",
    "postgresql://host/db?options=x&token={}",
    "host=host user=ana password={} dbname=db",
    "//ana:{}@host/db",
    "ana:{}@host/db",
    "ostgresql://ana:{}@host/db",
    "postgresql ://ana:{}@host/db",
    " postgresql://ana:{}@host/db",
]


@pytest.mark.parametrize("secret", ["troutfish", "trout fish", "trout@fish", "trout:fish", "trout/fish", "trout#fish"])
@pytest.mark.parametrize("url", ODD)
def test_no_piece_of_a_password_is_shown(url: str, secret: str) -> None:
    if "?" in url and secret in ("trout#fish",):
        secret = "trout%23fish"
    given = url.format(secret)
    ends = "{}@" in url or "?" in url
    if not ends and any(character in secret for character in "@/ "):
        pytest.skip("no URL: what is password and what is not cannot be told, but by a host that is missing")
    shown = hide_in_url(given)
    assert "fish" not in shown, shown
    assert "trout" not in shown, shown
    if not any(character in secret for character in " @/"):
        assert "fish" not in hide_in_answer(f'could not parse "{given}" (fish)'.replace("(fish)", secret), given)
    with pytest.raises(StorageError) as caught:
        open_storage(given)
    assert "fish" not in str(caught.value), caught.value
    assert "trout" not in str(caught.value), caught.value


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////data/study.db",
        "postgresql://host:5432/db",
        "postgresql://ana@host:5432/db",
        "study 'digits' is driven by process 4 on 0@host, since 2026-11-27 10:00:00",
        "journal:///data/study.journal",
        "http://127.0.0.1:8080/dashboard",
    ],
)
def test_what_holds_no_password_is_shown_as_it_is(text: str) -> None:
    assert hide_password(text) == text
    assert hide_in_url(text) == text or "driven" in text


def test_programs_do_not_inherit_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"ANA_SEARCH_STORAGE": "sqlite:///x", "PGPASSWORD": "troutfish", "MY_DB": "postgresql://a:troutfish@h/d"}
    for name, value in secret.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HARMLESS", "postgresql://a@h/d")
    look = [sys.executable, "-c", "import os; print(sorted(os.environ.items()))"]
    with without_passwords():
        inherited = subprocess.run(look, capture_output=True, text=True, check=True).stdout
    assert "troutfish" not in inherited
    assert "ANA_SEARCH_STORAGE" not in inherited
    assert "HARMLESS" in inherited
    assert {name: os.environ[name] for name in secret} == secret


@pytest.mark.slow
def test_ray_workers_do_not_inherit_the_storage(tmp_path: Path) -> None:
    program = """
import os, ray
os.environ["ANA_SEARCH_STORAGE"] = "postgresql://ana:troutfish@host/db"
from ana_search.dispatch import ray_connect
ray_connect.connect(None)
look = ray.remote(num_cpus=1)(lambda: dict(os.environ))
seen = ray.get(look.remote())
found = any("troutfish" in value for value in seen.values())
print("ANA_SEARCH_STORAGE" in seen, found, os.environ["ANA_SEARCH_STORAGE"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.stdout.split() == ["False", "False", "postgresql://ana:troutfish@host/db"], done.stderr[-2000:]
