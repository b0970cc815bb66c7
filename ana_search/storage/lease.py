"""One driver per study: a lease in the storage that a dead driver loses."""

import json
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

import psutil
from optuna import Study

from ana_search.errors import LeaseError

__all__ = ["LEASE_ATTRIBUTE", "Holder", "Lease", "holder_of"]

LEASE_ATTRIBUTE = "lease"
_RENEW_SECONDS = 5.0
_LAPSE_SECONDS = 60.0
_SETTLE_SECONDS = 0.2
_held_here: set[str] = set()  # the tokens of the leases that this process holds


@dataclass(frozen=True)
class Holder:
    """Who drives a study: host, process and its start time (a process number is used again), and since when."""

    token: str
    host: str
    pid: int
    started: float
    since: float
    renewed: float

    def is_alive(self) -> bool:
        """Return whether the driver still runs: looked up on this host, by its last sign of life elsewhere."""
        if self.host != socket.gethostname():
            return time.time() - self.renewed < _LAPSE_SECONDS
        if self.pid == os.getpid():  # a lease that could not be given back, for want of the storage, is over too
            return self.token in _held_here
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 2.0
        except psutil.NoSuchProcess:
            return False

    def describe(self) -> str:
        """Return host, process and since when."""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host}, since {since}"


def holder_of(study: Study) -> Holder | None:
    """Return the driver that holds the study and is alive, or ``None``."""
    text = study._storage.get_study_user_attrs(study._study_id).get(LEASE_ATTRIBUTE)
    if not text:
        return None
    holder = Holder(**json.loads(text))
    return holder if holder.is_alive() else None


class Lease:
    """The right to drive a study, held while the block runs and renewed every few seconds.

    A driver that slept or was cut off for longer than a lease lasts may have lost it: `check` then says so.

    Raises:
        LeaseError: another driver holds the study; the message says which.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._stop = threading.Event()
        now = time.time()
        started = psutil.Process().create_time()
        self._holder = Holder(uuid.uuid4().hex, socket.gethostname(), os.getpid(), started, now, now)
        self._taken_by: Holder | None = None
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._refuse(holder_of(self._study))
        _held_here.add(self._holder.token)
        try:
            self._write(self._holder)
            # Two drivers that start in the same moment both see no holder: the one that wrote last has it.
            time.sleep(_SETTLE_SECONDS)
            self._refuse(holder_of(self._study))
        except BaseException:
            _held_here.discard(self._holder.token)
            raise
        self._renewer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._renewer.join(timeout=_RENEW_SECONDS)
        try:
            holder = holder_of(self._study)
            if holder is None or holder.token == self._holder.token:
                self._study.set_user_attr(LEASE_ATTRIBUTE, "")
        except Exception:  # the storage may be what failed; the lease then lapses by itself
            return
        finally:
            _held_here.discard(self._holder.token)

    def check(self) -> None:
        """Raise `LeaseError` if another driver has taken the study over."""
        self._refuse(self._taken_by)

    def _refuse(self, holder: Holder | None) -> None:
        if holder is not None and holder.token != self._holder.token:
            raise LeaseError(
                f"study {self._study.study_name!r} is driven by {holder.describe()}; allowed: one driver a study "
                f"(`ana-search status {self._study.study_name}` and `dashboard` work beside it)"
            )

    def _write(self, holder: Holder) -> None:
        self._study.set_user_attr(LEASE_ATTRIBUTE, json.dumps(asdict(holder)))

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW_SECONDS):
            try:
                holder = holder_of(self._study)
                if holder is not None and holder.token != self._holder.token:
                    self._taken_by = holder
                    return
                self._write(Holder(**asdict(self._holder) | {"renewed": time.time()}))
            except Exception:  # a storage that is away for a while is the driver's business, not the lease's
                continue
