"""What a study was trained on: the fingerprint of its data and of the user's code, kept with it and compared.

Trials are only comparable, and an exported file is only what was trained, where data and code are those of the start.
Whoever changes one of them is told what has changed, and may go on on purpose: the input's coding stays the one that
the networks were trained with.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from optuna import Study

from ana_search.errors import StudyChangedError
from ana_search.storage.attributes import REQUESTED_ATTRIBUTE

if TYPE_CHECKING:
    from ana_search.data import Dataset, ImagePool
    from ana_search.data.fingerprints import DataFingerprint
    from ana_search.plan import DataPlan
    from ana_search.storage.stored import StoredStudy
    from ana_search.study_file import StudySpec

__all__ = [
    "PROVENANCE_ATTRIBUTE",
    "Provenance",
    "StudyData",
    "agreed",
    "has_run",
    "provenance_of",
    "read_provenance",
    "write_provenance",
]

PROVENANCE_ATTRIBUTE = "provenance"
"""Of a study: the fingerprint of its data and of the user's code."""
_OPTION = "--accept-changes"


@dataclass(frozen=True)
class Provenance:
    """The fingerprint of a study's data, and the SHA-256 of every file of the user's code and of weights, if any."""

    data: "DataFingerprint"
    code: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"data": self.data.to_json(), "code": dict(self.code), "weights": dict(self.weights)}

    def changes(self, now: "Provenance") -> list[str]:
        """Return one line for each thing that is not what it was."""
        from ana_search.data.fingerprints import data_changes

        lines = data_changes(self.data, now.data)
        for kind, then, files in (
            ("the network's code", self.code, now.code),
            ("the weights to start from", self.weights, now.weights),
        ):
            for name in dict.fromkeys([*then, *files]):
                was, is_ = then.get(name), files.get(name)
                if was != is_:
                    what = "is new" if was is None else "is gone" if is_ is None else "has changed"
                    lines.append(f"{kind}: {name} {what}")
        return lines


def read_provenance(study: Study) -> Provenance | None:
    """Return what a study was started with; ``None`` where that is not recorded, or cannot be read."""
    from pydantic import ValidationError

    from ana_search.data.fingerprints import DataFingerprint

    stored = study.user_attrs.get(PROVENANCE_ATTRIBUTE)
    if not isinstance(stored, dict):
        return None
    code, weights = (dict(stored[key]) if isinstance(stored.get(key), dict) else {} for key in ("code", "weights"))
    try:
        return Provenance(DataFingerprint.from_json(stored.get("data")), code, weights)
    except ValidationError:  # another version wrote it
        return None


def write_provenance(study: Study, provenance: Provenance) -> None:
    """Record what a study is trained on."""
    study.set_user_attr(PROVENANCE_ATTRIBUTE, provenance.to_json())


def has_run(study: Study) -> bool:
    """Return whether a study was launched before and has trials."""
    return bool(study.user_attrs.get(REQUESTED_ATTRIBUTE)) and bool(study.get_trials(deepcopy=False))


def provenance_of(spec: "StudySpec", pool: "ImagePool") -> Provenance:
    """Return what the study would be trained on now; ``pool`` are its examples as they are now."""
    from ana_search.data.fingerprints import fingerprint
    from ana_search.networks import imported, is_file_name, user_function

    code = None
    if is_file_name(spec.network.name):
        user_function(spec.network.name)  # says how it may be imported where it was not
        code = imported(spec.network.name)
    return Provenance(fingerprint(pool), {} if code is None else code.hashes, _weights(spec.training.start))


def _weights(start: str) -> dict[str, str]:
    """Return the SHA-256 of the file that trials start from, by its name; nothing where there is none."""
    from ana_search.study_file.sections import WEIGHTS_SUFFIXES

    path = Path(start)
    if not start.endswith(WEIGHTS_SUFFIXES) or not path.is_file():
        return {}
    with path.open("rb") as file:
        return {path.name: hashlib.file_digest(file, "sha256").hexdigest()}


def agreed(
    name: str,
    then: Provenance | None,
    spec: "StudySpec",
    pool: "ImagePool",
    *,
    accept: bool,
    tell: Callable[[str], None],
) -> "ImagePool":
    """Return the examples with the coding that the study was started with, if they may be used for it.

    Args:
        name: of the study.
        then: what it was started with, ``None`` where that is not recorded.
        spec: the study as it is now.
        pool: its examples as they are now.
        accept: whether changes are accepted.
        tell: told of what is accepted or not recorded.

    Raises:
        StudyChangedError: data or code have changed and that is not accepted, or they do not fit the networks.
    """
    if then is None:
        tell(f"study {name!r} has recorded no fingerprint of its data: whether they have changed cannot be told")
        return pool
    changes = then.changes(provenance_of(spec, pool))
    if not changes:
        return replace(pool, statistics=then.data.statistics)
    listed = "\n  ".join(changes)
    message = f"study {name!r} was started with other data or another network's code:\n  {listed}"
    fits = (then.data.shape, then.data.classes) == (tuple(pool.images.shape[1:]), pool.classes)
    if not accept or not fits:
        way = f", or {_OPTION}, which goes on with those of now" if fits else ""
        raise StudyChangedError(f"{message}\nallowed: those of then{way}; or a new study.name")
    tell(f"{message}\nthat is accepted ({_OPTION}); the input's coding stays that of the start")
    return replace(pool, statistics=then.data.statistics)


class StudyData:
    """The data sets of a stored study's plans, read once and compared with what the study was started with."""

    def __init__(self, stored: "StoredStudy", accept_changes: bool = False) -> None:
        self._stored, self._accept = stored, accept_changes
        self._pool: ImagePool | None = None

    def digest(self) -> str | None:
        """Return what tells data, code and weights of now from others; ``None`` where no data were read."""
        if self._pool is None:
            return None
        now = json.dumps(provenance_of(self._stored.spec, self._pool).to_json(), sort_keys=True)
        return hashlib.sha256(now.encode()).hexdigest()[:16]

    def dataset(self, plan: "DataPlan") -> "Dataset":
        """Return the data set of a plan. Raises as `agreed`, and `DataError` where the data cannot be read."""
        from ana_search.data import load_dataset, load_images

        if self._pool is None or not self._pool.serves(plan):
            stored = self._stored
            then = read_provenance(stored.study)
            self._pool = agreed(
                stored.name, then, stored.spec, load_images(plan), accept=self._accept, tell=stored.notes.append
            )
        return load_dataset(plan, self._pool)
