"""What the URL of a storage must be like, wherever it was given. No message shows the URL: it may hold a password."""

__all__ = ["STORAGES", "storage_problem"]

STORAGES = ("sqlite:///", "postgresql://", "postgresql+", "mysql://", "mysql+", "journal:///")
_IN_FILES = ("sqlite", "journal")


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
    return None
