"""Waiting for a storage or a disk that is away or full: what is not lost by waiting is not given up."""

import time
from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import InterfaceError, OperationalError

from ana_search.errors import RunError
from ana_search.storage import hide_password

__all__ = ["Patience"]

Result = TypeVar("Result")
_PATIENCE_SECONDS = 600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
_AWAY = (StorageInternalError, OperationalError, InterfaceError, OSError)


def _never() -> bool:
    return False


class Patience:
    """Repeats a write until it succeeds.

    Args:
        notice: told in one line when the waiting begins, and when it is over.
        is_over: whether to wait no longer: the user has stopped the launch and its time to drain is up.
    """

    def __init__(self, notice: Callable[[str], None], is_over: Callable[[], bool] = _never) -> None:
        self._notice = notice
        self._is_over = is_over

    def __call__(self, action: Callable[[], Result], what: str = "the storage") -> Result:
        """Return what ``action`` returns; while ``what`` is away or full, try again for ten minutes.

        Raises `RunError` after that, or once ``is_over`` says so.
        """
        began, pause, told = time.monotonic(), _FIRST_PAUSE, False
        while True:
            try:
                result = action()
            except _AWAY as error:
                waited = time.monotonic() - began
                if waited > _PATIENCE_SECONDS or self._is_over():
                    raise RunError(
                        f"{what} did not answer for {waited:.0f} s ({_brief(error)}); everything finished is safe; "
                        "the same command goes on"
                    ) from error
                if not told:
                    told = True
                    self._notice(f"{what} does not answer ({_brief(error)}); trying again")
                time.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)
            else:
                if told:
                    self._notice(f"{what} answers again after {time.monotonic() - began:.0f} s")
                return result


def _brief(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    lines = str(getattr(cause, "orig", None) or cause).split()
    return hide_password(" ".join(lines)[:200])
