"""What the URL of a storage and a path must be like, wherever they were given; nothing is opened.

No message shows a URL: it may hold a password.
"""

from pathlib import Path

__all__ = ["STORAGES", "path_problem", "storage_problem"]

STORAGES = ("sqlite:///", "postgresql://", "postgresql+", "mysql://", "mysql+", "journal:///")
_IN_FILES = ("sqlite", "journal")
_LONGEST_PATH, _LONGEST_NAME = 4096, 255  # bytes: what Linux and macOS allow


def storage_problem(url: object) -> str | None:
    """Return what is allowed instead of ``url``, or ``None`` for one that a storage may have; nothing is opened."""
    if not isinstance(url, str) or not url.startswith((*STORAGES, "sqlite+")):
        return f"a URL that starts with {', '.join(STORAGES)}"
    if not url.isprintable():
        return "a URL without control characters"
    kind, _, file = url.partition(":///")
    file = file.partition("?")[0]
    if kind.startswith(_IN_FILES) and (file in ("", ":memory:") or file.endswith("/")):
        return f"a file after {kind}:///, since a study must outlive its launch"
    return path_problem(file) if kind.startswith(_IN_FILES) else None


def path_problem(path: str) -> str | None:
    """Return what is allowed instead of ``path``, or ``None`` for one that a file system can have."""
    if not path or "\0" in path:
        return "a path: not empty, and without NUL characters"
    encoded = path.encode(errors="surrogatepass")
    if len(encoded) >= _LONGEST_PATH or any(len(name) > _LONGEST_NAME for name in encoded.split(b"/")):
        return f"a path of fewer than {_LONGEST_PATH:,} bytes, each name in it of at most {_LONGEST_NAME}"
    try:
        Path(path).expanduser()
    except RuntimeError:
        return "a path; no user of this machine has that home folder"
    return None
