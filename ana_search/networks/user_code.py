"""A network in a file of the user's own, ``my_net.py:make``: imported on purpose, and on every worker alike.

A study file is data and imports nothing. Whoever allows it (``--import``, or ``allow_import=True``) has the file run
once in this process, which then knows its function by the file's absolute path. `UserCode` is the text of the file and
of the modules beside it that it imports: what workers run, wherever they are, and part of a study's fingerprint.
"""

import hashlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ana_search.errors import NetworkError

__all__ = ["UserCode", "absolute_name", "import_code", "imported", "install_code", "is_file_name", "user_function"]

_LONGEST = 1 << 20  # bytes of a file of code


@dataclass(frozen=True)
class UserCode:
    """The text of a user's file, and of the modules in its folder that it imported, by their path in that folder."""

    file: str
    texts: tuple[tuple[str, str], ...]

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of every file, by its path in the folder."""
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self.texts}


@dataclass(frozen=True)
class _Imported:
    code: UserCode
    module: ModuleType
    own_modules: tuple[str, ...]


_IMPORTED: dict[str, _Imported] = {}
"""The files that this process was allowed to import, by absolute path: as `sys.modules`, one of each."""


def is_file_name(name: str) -> bool:
    """Return whether a network's name is that of a function in a file of Python."""
    file, colon, function = name.rpartition(":")
    return bool(colon) and file.endswith(".py") and function.isidentifier()


def absolute_name(name: str, folder: Path) -> str:
    """Return ``FILE:FUNCTION`` with the absolute path of the file, which is relative to ``folder``."""
    file, _, function = name.rpartition(":")
    return f"{(folder / Path(file).expanduser()).resolve()}:{function}"


def import_code(name: str) -> UserCode:
    """Run the file of ``FILE:FUNCTION`` in this process, unless that was done and no file of it has changed.

    Raises `NetworkError` where there is no such file or function, or the file raises when it is imported.
    """
    file = name.rpartition(":")[0]
    path = Path(file)
    known = _IMPORTED.get(file)
    if known is None or not _is_current(known.code):
        if known is not None:
            for module in known.own_modules:
                sys.modules.pop(module, None)
        _IMPORTED[file] = _import(path, path.parent)
    user_function(name)
    return _IMPORTED[file].code


def install_code(code: UserCode) -> None:
    """Make another process's code known here: from its own place where that has the same files, else from a copy."""
    folder = Path(code.file).parent
    if not _is_current(code):
        folder = Path(tempfile.mkdtemp(prefix="ana-search-code-"))
        for name, text in code.texts:
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    found = _import(folder / Path(code.file).name, folder)
    _IMPORTED[code.file] = _Imported(code, found.module, found.own_modules)


def imported(name: str) -> UserCode | None:
    """Return the code of a network's file if this process was allowed to import it, else ``None``."""
    known = _IMPORTED.get(name.rpartition(":")[0])
    return None if known is None else known.code


def user_function(name: str) -> Callable[..., nn.Module]:
    """Return the function of ``FILE:FUNCTION``. Raises `NetworkError` unless the file was imported and has it."""
    file, _, function = name.rpartition(":")
    known = _IMPORTED.get(file)
    if known is None:
        raise NetworkError(
            f"network {name!r} is a file of Python code, and a study alone imports nothing; allowed: with the option "
            "--import (as in `ana-search launch STUDY --import`), from Python load_study_file(..., allow_import=True)"
        )
    found: Any = getattr(known.module, function, None)
    if not callable(found):
        there = [each for each, value in vars(known.module).items() if callable(value) and not each.startswith("_")]
        raise NetworkError(
            f"network.name: {file} has no function {function!r}; it has {', '.join(there[:20]) or 'none'}"
        )
    made: Callable[..., nn.Module] = found
    return made


def _is_current(code: UserCode) -> bool:
    folder = Path(code.file).parent
    try:
        return all((folder / name).read_text(encoding="utf-8") == text for name, text in code.texts)
    except (OSError, UnicodeDecodeError):
        return False


def _import(path: Path, folder: Path) -> _Imported:
    """Run a file as a module, with its folder first on the path for what it imports, now and later."""
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST:
            what = "is too long for a file of code" if path.is_file() else "does not exist"
            raise NetworkError(f"network.name: {path} {what}; the path is relative to the study file")
        module_name = f"ana_search_user_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise NetworkError(f"network.name: {path} is no file of Python code")
        module = importlib.util.module_from_spec(spec)
        before = set(sys.modules)
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[module_name]
            raise
    except NetworkError:
        raise
    except (Exception, SystemExit) as error:  # the user's code: anything may be raised
        line = f", line {_line(error, path)}" if _line(error, path) else ""
        raise NetworkError(
            f"network.name: {path}{line} cannot be imported ({type(error).__name__}: {str(error)[:300]})"
        ) from error
    own = {module_name: path} | _beside(folder, set(sys.modules) - before)
    texts = {str(each.relative_to(folder)): each.read_text(encoding="utf-8") for each in own.values()}
    return _Imported(UserCode(str(path), tuple(sorted(texts.items()))), module, tuple(own))


def _beside(folder: Path, names: set[str]) -> dict[str, Path]:
    """Return those of the modules whose files lie in ``folder``, installed packages left out."""
    found = {}
    for name in names:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None or not str(file).endswith(".py"):
            continue
        path = Path(file).resolve()
        if folder in path.parents and "site-packages" not in path.parts and path.is_file():
            found[name] = path
    return found


def _line(error: BaseException, path: Path) -> int | None:
    """Return the line of the file that an error comes from."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    trace, found = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
