"""Writing files that survive a loss of power: whole or not at all, and on the disk before anything relies on them."""

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["new_file", "remove_unfinished", "write_durably"]

_UNFINISHED = ".part-"
# Some network file systems cannot synchronise a folder, and a folder that may be written to may yet be closed to
# readers (EACCES); a name then survives a loss of power as well as the file system provides for by itself.
_NO_SUCH_OPERATION = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF}

Content = bytes | bytearray | memoryview | str | Callable[[BinaryIO], object]


def write_durably(path: Path, content: Content) -> None:
    """Make ``path`` a file with this content, in the place of one that may be there.

    A reader sees the old file or the new one, never half of one. When the call returns, content and name have been
    handed to the disk, so that they survive a loss of power. Folders that are missing are made. On an error nothing
    is left behind, and a file that was there before is unchanged.

    Args:
        path: the file.
        content: bytes, a text (written in UTF-8), or a function that writes to the open file.

    Raises:
        OSError: the disk is full or away, or the place cannot be written to.
    """
    with new_file(path) as unfinished, unfinished.open("wb") as file:
        if isinstance(content, str):
            file.write(content.encode())
        elif isinstance(content, bytes | bytearray | memoryview):
            file.write(content)
        else:
            content(file)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield the path of an empty file beside ``path`` for the block to write; it takes its place after the block.

    For writers that want a path; everything else is as in `write_durably`. The temporary name ends as ``path`` does,
    since some writers choose the format by it, and the file may be read by whom the umask allows.
    """
    _make_folder(path.parent)
    unfinished = path.with_name(f"{_UNFINISHED}{secrets.token_hex(8)}{path.suffix}")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        yield unfinished
        _synchronise(unfinished)
        os.replace(unfinished, path)
        _synchronise(path.parent)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove the files in ``folder`` that a process was writing when it was killed; none may be writing there now."""
    with suppress(OSError):
        for file in folder.glob(f"{_UNFINISHED}*"):
            file.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each of which then has a name that survives as well."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _synchronise(folder.parent)


def _synchronise(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_SUCH_OPERATION or not path.is_dir():
            raise
