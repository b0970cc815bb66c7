"""The examples of a launch: read once by the driver, compared with those of the study's start, and placed."""

from collections.abc import Callable
from typing import Any

import optuna

from ana_search.data import ImagePool, load_images
from ana_search.errors import DataError
from ana_search.storage.provenance import Provenance, agreed, has_run, provenance_of, read_provenance, write_provenance
from ana_search.study_file import StudySpec
from ana_search.study_file.sections import data_plan

__all__ = ["Examples"]


class Examples:
    """The examples of one study, from the moment that they are read to that in which the dispatcher has them."""

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self.plan = data_plan(spec.data, spec.quantiser, seed=-1)
        self._pool: ImagePool | None = None

    def take(self) -> ImagePool:
        """Return the examples and keep them no longer. Raises `DataError` where they cannot be read."""
        pool, self._pool = self._pool, None
        return load_images(self.plan) if pool is None else pool

    def check(
        self,
        study: optuna.Study,
        patience: Callable[[Callable[[], Any]], Any],
        tell: Callable[[str], None],
        *,
        accept: bool,
        needed: bool,
    ) -> None:
        """Compare data and code with what the study was started with, which is recorded at its first launch.

        Data that this machine cannot read are for the dispatcher to refuse, or to find where the workers are; nor are
        they missed where nothing is left to train (``needed``). Raises `StudyChangedError` as `agreed`.
        """
        try:
            pool = load_images(self.plan)
        except DataError:
            return
        then = patience(lambda: read_provenance(study))
        if then is None:
            if patience(lambda: has_run(study)):
                agreed(study.study_name, None, self._spec, pool, accept=accept, tell=tell)
            self._record(study, patience, provenance_of(self._spec, pool))
        else:
            pool = agreed(study.study_name, then, self._spec, pool, accept=accept, tell=tell)
            now = provenance_of(self._spec, pool)
            if now != then:
                self._record(study, patience, now)
        if needed:
            self._pool = pool

    def _record(self, study: optuna.Study, patience: Callable[[Callable[[], Any]], Any], now: Provenance) -> None:
        patience(lambda: write_provenance(study, now))
