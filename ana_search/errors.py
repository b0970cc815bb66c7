"""Every error that a user of ana-search can cause or meet.

    AnaSearchError
    ├── RequestError                 exit code 2: the request was wrong, nothing was started
    │   ├── StudyFileError           a study file does not validate (all mistakes in one message)
    │   ├── StudyChangedError        a study file no longer describes the study that was started with it
    │   ├── StudyNotFoundError       no such study file, study name or trial
    │   ├── StudyVersionError        a study that another version of ana-search wrote and this one cannot read
    │   ├── DamagedFileError         a file of a study is empty, truncated or not what it should be
    │   ├── DataError                a data set is missing, empty or unreadable
    │   ├── NetworkError             a network cannot be built or quantised as asked
    │   ├── ResourceError            more workers, CPUs or GPUs asked for than exist
    │   ├── StorageError             a storage cannot be opened or used
    │   ├── LeaseError               another driver holds the study
    │   │   └── LeaseLostError       another driver took over a study that was running here (exit code 1)
    │   ├── ExportRequestError       a trial or a file that cannot be exported or checked
    │   └── FrameError               a table that the analysis cannot use
    └── RunError                     exit code 1: the work was started and failed
        ├── StorageLostError         the storage was deleted, replaced, damaged, or is away for too long
        ├── TrainingError            a training run failed
        │   └── DivergedError        the loss stopped being finite
        └── ExportMismatchError      an exported file does not compute what the network computes

A message says what is wrong, where (file, key, column), the value met and what is allowed.
"""

__all__ = [
    "AnaSearchError",
    "DamagedFileError",
    "DataError",
    "DivergedError",
    "ExportMismatchError",
    "ExportRequestError",
    "FrameError",
    "LeaseError",
    "LeaseLostError",
    "NetworkError",
    "RequestError",
    "ResourceError",
    "RunError",
    "StorageError",
    "StorageLostError",
    "StudyChangedError",
    "StudyFileError",
    "StudyNotFoundError",
    "StudyVersionError",
    "TrainingError",
]


class AnaSearchError(Exception):
    """Base of every error that ana-search raises for its user."""

    exit_code = 1


class RequestError(AnaSearchError):
    """The request was wrong; nothing was started."""

    exit_code = 2


class StudyFileError(RequestError):
    """A study file does not validate; the message lists every mistake."""


class StudyChangedError(RequestError):
    """A study file differs from the one its study was started with."""


class StudyNotFoundError(RequestError):
    """No such study file, study name or trial."""


class StudyVersionError(RequestError):
    """A study that another version of ana-search wrote and this one cannot read."""


class DamagedFileError(RequestError):
    """A file of a study is empty, truncated or not what it should be; the message names it."""


class DataError(RequestError):
    """A data set is missing, empty or unreadable."""


class NetworkError(RequestError):
    """A network cannot be built or quantised as asked."""


class ResourceError(RequestError):
    """More workers, CPUs or GPUs were asked for than exist."""


class StorageError(RequestError):
    """A storage cannot be opened or used."""


class LeaseError(RequestError):
    """Another driver holds the study."""


class LeaseLostError(LeaseError):
    """Another driver has taken over a study that was running here."""

    exit_code = 1


class ExportRequestError(RequestError):
    """A trial or a file cannot be exported or checked."""


class FrameError(RequestError):
    """A table of results cannot be analysed."""


class RunError(AnaSearchError):
    """The work was started and failed."""


class StorageLostError(RunError):
    """The storage was deleted, replaced or damaged while a study ran, or did not answer for too long."""


class TrainingError(RunError):
    """A training run failed."""


class DivergedError(TrainingError):
    """The loss stopped being finite."""


class ExportMismatchError(RunError):
    """An exported file does not compute what the network computes."""
