"""Passwords in storage URLs: how a URL may be shown, and what programs that are started need not inherit."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

__all__ = ["hide_in_answer", "hide_in_url", "hide_password", "without_passwords"]

_MASK = "***"
_DATABASES = "postgresql|postgres|mysql|mariadb|cockroachdb|oracle|mssql|redis|rediss"
# Up to the last @ of the word: a password may hold one itself.
_PASSWORD = re.compile(r"(?P<head>\w[\w+.-]*://[^:/@\s]*):\S*@")
# What a user may have mistyped: a slash or the colon left out. A password may then have a blank in it, too: the text is
# hidden up to the last @ of the line.
_ODD = re.compile(rf"(?P<head>\b(?:{_DATABASES})(?:\+\w+)?(?::/{{0,3}}|/{{1,3}})[^:/@\s]*):[^\n]*@", re.IGNORECASE)
# Without any @, what follows the user's name is a port, or a password.
_NO_HOST = re.compile(
    rf"(?P<head>\b(?:{_DATABASES})(?:\+\w+)?(?::/{{0,3}}|/{{1,3}})[^:/@\s]*):(?!\d+(?:[/?\s]|$))(?!\*\*\*)[^/@?\s]+",
    re.IGNORECASE,
)
# libpq and the drivers know many: password, passwd, sslpassword, ssl_key_password, pwd, passphrase, token.
_SECRET_KEY = r"[\w%.-]*(?:passw|pwd|passphrase|secret|token)[\w%.-]*"
_OPTION = re.compile(rf"(?P<head>[?&;]{_SECRET_KEY}\s*=)(?:[^&;\s]|\s+(?=[^&;=\s]*(?:[&;]|$)))*", re.IGNORECASE)
_KEYWORD = re.compile(rf"(?P<head>(?:^|(?<=[\s,(]))(?:{_SECRET_KEY})=)(?:'[^']*'|\"[^\"]*\"|[^\s,)]+)", re.IGNORECASE)

_ANYTHING = re.compile(r"^(?P<head>(?:[\w+.\s-]*:?[/\\]+)?+[^:/@]*):(?P<secret>.*)@", re.DOTALL)

_SECRET_VARIABLES = frozenset({"ANA_SEARCH_STORAGE", "PGPASSWORD", "MYSQL_PWD"})


def hide_password(text: str) -> str:
    """Return ``text`` with the password of every URL in it replaced by ``***``.

    Where a URL is odd (a slash left out, a blank in the password) rather too much is hidden than too little.
    """
    for pattern in (_ODD, _PASSWORD):
        text = pattern.sub(rf"\g<head>:{_MASK}@", text)
    text = _NO_HOST.sub(rf"\g<head>:{_MASK}", text)
    for pattern in (_OPTION, _KEYWORD):
        text = pattern.sub(rf"\g<head>{_MASK}", text)
    return text


def hide_in_url(url: str) -> str:
    """Return a URL, or what was given for one, without its password: whatever is between a colon and the last @."""
    return _ANYTHING.sub(rf"\g<head>:{_MASK}@", hide_password(url))


def hide_in_answer(text: str, url: str) -> str:
    """Return what a driver says about ``url``, with every piece of it that may be a password replaced by ``***``."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return hide_password(text)


def _secrets(url: str) -> set[str]:
    """Return the pieces of a URL that its shown form does not have."""
    match = _ANYTHING.match(url)
    found = set() if match is None else {match["secret"]}
    found |= {match[0].removeprefix(f"{match['head']}:") for match in _NO_HOST.finditer(url)}
    found |= set(re.findall(rf"{_SECRET_KEY}\s*=\s*([^&;]+)", url, re.IGNORECASE))
    # An @ or a colon in the password may have split it: the database then speaks of the last piece alone.
    found |= {piece for one in found for piece in re.split(r"[@:/\s]", one)}
    return {one for one in found | {unquote(one) for one in found} if len(one) > 2}


@contextmanager
def without_passwords() -> Iterator[None]:
    """Take what holds a password out of the environment while the block starts programs.

    What they inherit, every user of this account and every crash report can read; workers never open the storage.
    """
    secret = {
        name: value
        for name, value in os.environ.items()
        if name in _SECRET_VARIABLES or ("://" in value and hide_password(value) != value)
    }
    for name in secret:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(secret)
