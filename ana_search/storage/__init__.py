"""Where studies are kept: the storage, the run directory, and the lease of the one driver."""

from ana_search.storage.folders import DEFAULT_RUNS, RunFolder
from ana_search.storage.guard import StorageGuard, answer_soon, storage_file
from ana_search.storage.lease import Lease
from ana_search.storage.locate import StudyPlace, locate
from ana_search.storage.opening import open_storage
from ana_search.storage.stored import StoredStudy, open_study
from ana_search.storage.urls import hide_password, storage_url

__all__ = [
    "DEFAULT_RUNS",
    "Lease",
    "RunFolder",
    "StorageGuard",
    "StoredStudy",
    "StudyPlace",
    "answer_soon",
    "hide_password",
    "locate",
    "open_storage",
    "open_study",
    "storage_file",
    "storage_url",
]
