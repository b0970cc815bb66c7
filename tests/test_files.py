"""Durable writes: whole or not at all, synchronised before the rename, readable as the umask says."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from ana_search.files import new_file, remove_unfinished, write_durably


def test_what_is_written_is_there_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file.json"
    write_durably(path, "ü")
    assert path.read_bytes() == "ü".encode()
    write_durably(path, b"two")
    write_durably(path, lambda file: file.write(b"three"))
    assert path.read_bytes() == b"three"
    assert list(path.parent.iterdir()) == [path]


def test_content_and_names_are_synchronised_in_that_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        mode = os.fstat(descriptor).st_mode
        done.append("folder" if stat.S_ISDIR(mode) else f"file of {os.fstat(descriptor).st_size}")
        fsync(descriptor)

    def note_rename(source: Path, target: Path) -> None:
        done.append("rename")
        replace(source, target)

    monkeypatch.setattr("ana_search.files.os.fsync", note_sync)
    monkeypatch.setattr("ana_search.files.os.replace", note_rename)
    write_durably(tmp_path / "new" / "file", b"12345")
    assert done == ["folder", "file of 5", "rename", "folder"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_durably(path, b"old")

    def full(file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_durably(path, full)

    def interrupted(file: BinaryIO) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_durably(path, interrupted)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_synchronised_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def some_network_file_system(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr("ana_search.files.os.fsync", some_network_file_system)
    write_durably(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_rights_come_from_the_umask_and_the_ending_is_kept(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with new_file(tmp_path / "sample.npz") as unfinished:
            assert unfinished.suffix == ".npz"
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "sample.npz").stat().st_mode) == 0o640


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with new_file(tmp_path / "checkpoint.pt"):
            os._exit(0)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / "kept").touch()
    remove_unfinished(tmp_path)
    remove_unfinished(tmp_path / "missing")
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]
