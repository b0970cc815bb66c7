"""What lies in a folder of images: the files by class, and what is left out of it, counted.

``root/train/<class>/`` and ``root/test/<class>/``; without ``test/`` the images are those of ``root/train/<class>/``,
or of ``root/<class>/`` where there is no ``train/`` either.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["SUFFIXES", "FileList", "Listing", "list_images"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif")
_LAYOUT = (
    "allowed: a folder that holds train/ and test/, each with one folder of images a class; without test/ a fixed "
    "part of the images is kept for it"
)
_SYSTEM = {"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r", "__macosx", "@eadir", "$recycle.bin", "lost+found"}
"""Names that operating systems and file servers leave among images, in lower case."""
_EXAMPLES = 3


@dataclass
class FileList:
    """The images of one part, by class and then by name; ``stamps`` tell whether a file has changed."""

    files: list[Path] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    stamps: list[str] = field(default_factory=list)


@dataclass
class Listing:
    """All images of a folder; ``test`` is ``None`` where they have no test part of their own."""

    root: Path
    classes: list[str]
    train: FileList
    test: FileList | None
    notes: list[str]


class _Left:
    """What is left out, by reason, with some examples of each."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[str, list[str]] = {}

    def add(self, reason: str, path: Path) -> None:
        """Count one entry."""
        self._found.setdefault(reason, []).append(str(path.relative_to(self._root)))

    def notes(self) -> list[str]:
        """Return one line a reason: how many, and which for example."""
        lines = []
        for reason, names in self._found.items():
            shown = ", ".join(names[:_EXAMPLES]) + (" and others" if len(names) > _EXAMPLES else "")
            lines.append(f"data.root: {len(names):,} {reason} in {self._root} left out ({shown})")
        return lines


def list_images(plan: DataPlan) -> Listing:
    """Return the images of the plan's folder; no file is opened.

    Raises:
        DataError: the folder is missing, has fewer than two classes, a class without images, or parts of different
            classes.
    """
    root = _root(plan)
    left = _Left(root)
    has_train, has_test = ((root / part).is_dir() for part in ("train", "test"))
    if has_test and not has_train:
        raise DataError(f"data.root: {root / 'train'} does not exist or is no folder; {_LAYOUT}")
    base = root / "train" if has_train else root
    classes = _classes(base, left)
    if has_train:
        for entry in _entries(root, left):
            if entry.name not in ("train", "test"):
                left.add("entries beside train/ and test/", Path(entry.path))
    if len(classes) < 2:
        raise DataError(f"data.root: {base} holds {len(classes)} class folders; allowed: 2 or more ({_LAYOUT})")
    if has_test:
        others = set(classes) ^ set(_classes(root / "test", left))
        if others:
            raise DataError(
                f"data.root: train/ and test/ in {root} must hold the same classes; "
                f"only one of them has {', '.join(sorted(others))}"
            )
    train = _files(base, classes, left)
    test = _files(root / "test", classes, left) if has_test else None
    return Listing(root, classes, train, test, left.notes())


def _root(plan: DataPlan) -> Path:
    if plan.root is None:
        raise DataError(f"data.root: missing; image_folder needs it; {_LAYOUT}")
    try:
        root = Path(plan.root).expanduser()
        missing = not root.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # too long a name, no such user's home, a NUL
        raise DataError(f"data.root: {plan.root[:200]} cannot be looked at ({str(error)[:200]}); {_LAYOUT}") from None
    if missing:
        raise DataError(f"data.root: {root} does not exist or is no folder (seen from {Path.cwd()}); {_LAYOUT}")
    return root.resolve()


def _entries(folder: Path, left: _Left) -> Iterator["os.DirEntry[str]"]:
    """Yield what a folder holds in the order of names, without what is hidden, of the system, or a dangling link."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.name.startswith(".") or entry.name.lower() in _SYSTEM:
            left.add("hidden and system files", Path(entry.path))
        elif entry.is_symlink() and not Path(entry.path).exists():
            left.add("dangling links", Path(entry.path))
        else:
            yield entry


def _classes(base: Path, left: _Left) -> list[str]:
    """Return the names of the classes, the folders in ``base``, in alphabetical order."""
    classes = []
    for entry in _entries(base, left):
        if entry.is_dir():
            classes.append(entry.name)
        else:
            left.add("files outside the folders of classes", Path(entry.path))
    return classes


def _files(base: Path, classes: Iterable[str], left: _Left) -> FileList:
    found = FileList()
    for label, name in enumerate(classes):
        folder = base / name
        before = len(found.files)
        for entry in _entries(folder, left):
            if entry.is_dir():
                left.add("folders within a class", Path(entry.path))
            elif not entry.name.lower().endswith(SUFFIXES):
                left.add("files of other kinds than images", Path(entry.path))
            else:
                stat = entry.stat()
                found.files.append(folder / entry.name)
                found.labels.append(label)
                stamp = f"{base.name}/{name}/{entry.name} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
                found.stamps.append(stamp)
        if len(found.files) == before:
            said = "".join(f"; {note}" for note in left.notes())
            raise DataError(f"data.root: no image in {folder}; allowed: {', '.join(SUFFIXES)}{said}")
    return found
