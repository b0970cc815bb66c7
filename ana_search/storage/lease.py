"""One driver per study: a lease in the storage that a dead driver loses.

Whether a driver lives is never judged by comparing clocks, which are set, differ between machines, and stand still in
a machine that is suspended. A driver on the same machine is looked up by its process number and the moment at which
it started (in ticks since the machine did). One that cannot be looked up, on another machine or in another container,
is watched: a living driver writes its lease anew every few seconds, and one whose lease has not changed for a minute
of the watcher's own steady clock has lost it.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any, Self

from optuna import Study

from ana_search.errors import LeaseError, LeaseLostError, StorageLostError
from ana_search.storage.private import storage_of, study_id
from ana_search.storage.process import machine, seconds_since_boot, start_of

__all__ = ["LEASE_ATTRIBUTE", "Holder", "Lease", "holder_of", "read_lease"]

LEASE_ATTRIBUTE = "lease"
_VERSION = 2
_RENEW_SECONDS = 5.0
_LAPSE_SECONDS = 60.0
_LOOK_SECONDS = (
    7.0  # how long a reader watches whether a driver on another machine renews its lease: one renewal and a little
)
_POLL_SECONDS = 0.5
_SETTLE_SECONDS = 0.2
_held_here: set[str] = set()  # the tokens of the leases that this process holds


@dataclass(frozen=True)
class Holder:
    """Who drives a study.

    ``machine`` and ``started`` are what `ana_search.storage.process` says of the driver's process, ``beat`` counts
    its signs of life. ``since`` and ``renewed`` are times of its own clock, for people to read.
    """

    token: str = ""
    host: str = "unknown host"
    pid: int = 0
    machine: str = ""
    started: str = ""
    since: float = 0.0
    renewed: float = 0.0
    beat: int = 0
    version: int = _VERSION

    @classmethod
    def of_this_process(cls) -> "Holder":
        """Return a new holder: this process."""
        now = time.time()
        started = start_of(os.getpid()) or ""
        return cls(uuid.uuid4().hex, socket.gethostname(), os.getpid(), machine(), started, now, now)

    @classmethod
    def from_text(cls, text: str) -> "Holder":
        """Return the holder that a stored lease names; what an older or newer version writes otherwise is left out."""
        try:
            content: Any = json.loads(text)
        except ValueError:
            return cls()
        fields = content if isinstance(content, dict) else {}
        return cls(**{name: fields[name] for name, kinds in _KINDS.items() if type(fields.get(name)) in kinds})

    def is_near(self) -> bool:
        """Return whether this process can look up the driver by its number."""
        return self.version == _VERSION and self.machine == machine()

    def runs(self) -> bool:
        """Return whether the driver runs, if it `is_near`."""
        if (
            self.pid == os.getpid()
        ):  # this process no longer holds a lease that it could not give back because the storage was away
            return self.token in _held_here
        return start_of(self.pid) == self.started

    def describe(self) -> str:
        """Return host, process and since when."""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        newer = f" (of a newer version, lease format {self.version})" if self.version > _VERSION else ""
        return f"process {self.pid} on {self.host}, since {since}{newer}"


_KINDS: dict[str, tuple[type, ...]] = {
    name: (float, int) if isinstance(default, float) else (type(default),) for name, default in asdict(Holder()).items()
}


def read_lease(study: Study) -> str:
    """Return the stored lease as it is written; the empty text if nobody has left one."""
    return str(storage_of(study).get_study_user_attrs(study_id(study)).get(LEASE_ATTRIBUTE) or "")


def holder_of(study: Study) -> Holder | None:
    """Return the driver that holds the study and is alive, or ``None``.

    A driver elsewhere that has renewed its lease within the last minute, by both clocks, is taken to be alive. Where
    that does not hold the clocks may differ, and it is watched for some seconds.
    """
    text = read_lease(study)
    if not text:
        return None
    holder = Holder.from_text(text)
    if holder.is_near():
        return holder if holder.runs() else None
    if abs(time.time() - holder.renewed) < _LAPSE_SECONDS or _changes(study, text, _LOOK_SECONDS):
        return holder
    return None


def _changes(study: Study, text: str, seconds: float) -> bool:
    """Return whether the stored lease becomes another one within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(_POLL_SECONDS, seconds))
        if read_lease(study) != text:
            return True
    return False


class Lease:
    """The right to drive a study, held while the block runs and renewed every few seconds.

    A driver that slept or was cut off for longer than a lease lasts may have lost it: `check` then says so.

    Args:
        study: the stored study.
        notice: told in one line when the lease of a driver elsewhere has to be watched, which takes a minute.

    Raises:
        LeaseError: another driver holds the study; the message says which.
    """

    def __init__(self, study: Study, notice: Callable[[str], None] | None = None) -> None:
        self._study = study
        self._notice = notice or (lambda _: None)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._holder = Holder.of_this_process()
        self._seen = self._tried = seconds_since_boot()
        self._loss: LeaseLostError | StorageLostError | None = None
        self._renewer = threading.Thread(target=self._renew_often, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._wait_for(read_lease(self._study))
        _held_here.add(self._holder.token)
        try:
            self._write(self._holder)
            # Two drivers that start in the same moment both see no holder: the one that wrote last has it.
            time.sleep(_SETTLE_SECONDS)
            now = Holder.from_text(read_lease(self._study))
            if now.token != self._holder.token:
                raise self._refusal(now)
        except BaseException:
            _held_here.discard(self._holder.token)
            raise
        self._seen = seconds_since_boot()
        self._renewer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._renewer.join(timeout=_RENEW_SECONDS)
        try:
            if Holder.from_text(read_lease(self._study)).token == self._holder.token:
                self._study.set_user_attr(LEASE_ATTRIBUTE, "")
        except Exception:  # the storage may be what failed; the lease then lapses by itself
            return
        finally:
            _held_here.discard(self._holder.token)

    def check(self) -> None:
        """Raise if the study is no longer this driver's.

        Cheap, but for the first time after a pause that was long enough for a lease to lapse.

        Raises:
            LeaseLostError: another driver has taken the study over.
            StorageLostError: the storage no longer knows of this driver: it was replaced.
        """
        now = seconds_since_boot()
        if self._loss is None and now - self._seen > _LAPSE_SECONDS / 2 and now - self._tried > _RENEW_SECONDS:
            self._tried = now
            self.confirm()
        if self._loss is not None:
            raise self._loss

    def confirm(self) -> None:
        """Look into the storage now; raise as `check`."""
        with suppress(Exception):  # a storage that is away is dealt with where results are read and written, not here
            self._renew()
        if self._loss is not None:
            raise self._loss

    def _wait_for(self, text: str) -> None:
        """Return once nobody alive holds the study."""
        if not text:
            return
        holder = Holder.from_text(text)
        if holder.is_near():
            if holder.runs():
                raise self._refusal(holder)
            return
        self._notice(
            f"the study was last driven by {holder.describe()}, which cannot be looked up from here: watching for "
            f"{_LAPSE_SECONDS:.0f} s whether it gives a sign of life"
        )
        if _changes(self._study, text, _LAPSE_SECONDS):
            self._wait_for_change(read_lease(self._study))

    def _wait_for_change(self, text: str) -> None:
        """Return if the driver that was watched has given its lease back; else it is alive, or another is there."""
        if text:
            raise self._refusal(Holder.from_text(text))

    def _refusal(self, holder: Holder) -> LeaseError:
        return LeaseError(
            f"study {self._study.study_name!r} is driven by {holder.describe()}; allowed: one driver a study "
            "(the commands status, best, analyse and dashboard work beside it)"
        )

    def _write(self, holder: Holder) -> None:
        self._study.set_user_attr(LEASE_ATTRIBUTE, json.dumps(asdict(holder)))

    def _renew_often(self) -> None:
        while not self._stop.wait(_RENEW_SECONDS):
            with suppress(Exception):  # see `confirm`
                self._renew()

    def _renew(self) -> None:
        """Give a sign of life, unless the lease in the storage is another one."""
        with self._lock:
            if self._loss is not None:
                return
            name = self._study.study_name
            try:
                text = read_lease(self._study)
            except KeyError:
                self._loss = StorageLostError(f"study {name!r} is no longer in the storage")
                return
            now = Holder.from_text(text)
            if now.token != self._holder.token:
                if text and (not now.is_near() or now.runs()):
                    self._loss = LeaseLostError(
                        f"study {name!r} was taken over by {now.describe()}, while this driver gave no sign of life; "
                        "allowed: one driver a study"
                    )
                else:
                    self._loss = StorageLostError(
                        f"the storage does not know that this launch drives study {name!r}: an older or another "
                        "database took its place"
                    )
                return
            self._holder = replace(self._holder, beat=self._holder.beat + 1, renewed=time.time())
            self._write(self._holder)
            self._seen = seconds_since_boot()
