"""Repeating what failed because a storage or a disk is away, locked or full, until it succeeds or time is up."""

import time
from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from ana_search.errors import RunError, StorageLostError
from ana_search.storage import hide_password

__all__ = ["PATIENCE_SECONDS", "STORAGE", "Patience"]

Result = TypeVar("Result")
PATIENCE_SECONDS = 600.0
STORAGE = "the storage"
# A database that answers, but with an error such as a missing table, seldom mends itself: less patience.
_DAMAGED_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
_TRIED_AGAIN = (StorageInternalError, DBAPIError, OSError)
_DAMAGED = ("malformed", "not a database", "no such table", "no such column", "does not exist", "doesn't exist")


def _never() -> bool:
    return False


class Patience:
    """Repeats a write until it succeeds.

    Args:
        notice: told in one line when the waiting begins, and when it is over.
        is_over: whether to wait no longer: the user has stopped the launch and its time to drain is up.
        seconds: how long to wait for what is away, busy or full; half a minute at most for what is damaged.
    """

    def __init__(
        self, notice: Callable[[str], None], is_over: Callable[[], bool] = _never, seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._notice = notice
        self._is_over = is_over
        self._seconds = seconds

    def __call__(self, action: Callable[[], Result], what: str = STORAGE) -> Result:
        """Return what ``action`` returns; while ``what`` is away, full or damaged, try again for the stated time.

        Raises:
            StorageLostError: the storage did not answer for so long.
            RunError: something else did not, or ``is_over`` says that there is no time left.
        """
        began, pause, told = time.monotonic(), _FIRST_PAUSE, False
        while True:
            try:
                result = action()
            except _TRIED_AGAIN as error:
                waited = time.monotonic() - began
                limit = min(self._seconds, _DAMAGED_SECONDS) if _is_damaged(error) else self._seconds
                over = self._is_over()
                if waited > limit or over:
                    text = f"{what} did not answer for {waited:.0f} s ({_brief(error)})"
                    if what == STORAGE and not over:
                        raise StorageLostError(text) from error
                    raise RunError(f"{text}; everything finished is safe; the same command goes on") from error
                if not told:
                    told = True
                    self._notice(f"{what} does not answer ({_brief(error)}); trying again for up to {limit:.0f} s")
                time.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)
            else:
                if told:
                    self._notice(f"{what} answers again after {time.monotonic() - began:.0f} s")
                return result


def _is_damaged(error: Exception) -> bool:
    """Return whether a database answers with an error that waiting does not mend, such as a missing table."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, DBAPIError):
        cause = cause.__cause__
    if cause is None:
        return False
    text = str(cause.orig)
    return not isinstance(cause, OperationalError | InterfaceError) or any(word in text for word in _DAMAGED)


def _brief(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    lines = str(getattr(cause, "orig", None) or cause).split()
    return hide_password(" ".join(lines)[:200])
