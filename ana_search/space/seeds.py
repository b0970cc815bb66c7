"""Seeds derived from the study's seed: one for each replicate, for each trial of a random design, for each draw."""

import hashlib

from ana_search.study_file import Choice, Range, StudySpec

__all__ = ["derive_seed", "has_new_seeds", "replicate_seed", "training_seed"]

_SEEDS = 2**31 - 1
_RANDOM = ("random", "qmc", "pick_freeze")


def derive_seed(seed: int, *labels: str | int) -> int:
    """Return a seed from 0 to 2**31 - 2 that depends on ``seed`` and the labels, and on nothing else."""
    text = "/".join(map(str, (seed, *labels)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % _SEEDS


def replicate_seed(spec: StudySpec, replicate: int) -> int:
    """Return the seed of a replicate: it decides data order and initial weights of all its trials.

    Where folds take turns as validation part, the fold of a trial is its seed modulo the number of folds, and
    replicate ``r`` has fold ``r`` modulo that number.
    """
    return _with_fold(spec, derive_seed(spec.study.seed, "replicate", replicate), replicate)


def has_new_seeds(spec: StudySpec) -> bool:
    """Return whether every trial has a seed of its own: in a random design one replicate is one seed.

    Cells of a grid share the seeds of their replicates, and so do the points of an adaptive search, so that they
    differ by what the study varies alone. The points of a random sample are not compared with each other but
    averaged over, and the seed with them.
    """
    return spec.study.sampler in _RANDOM and any(isinstance(p, Choice | Range) for p in spec.space.parameters.values())


def training_seed(spec: StudySpec, number: int, replicate: int) -> int:
    """Return the seed of a trial, that decides its data order and initial weights.

    It is the seed of its replicate or, in a random design, one that belongs to ``number`` alone: the trial's number,
    or that of its first attempt. Where folds take turns, a trial's fold is that of its replicate; in a pick-freeze
    design, whose runs are compared with each other, it is drawn.
    """
    if not has_new_seeds(spec):
        return replicate_seed(spec, replicate)
    drawn = spec.study.sampler == "pick_freeze"
    fold = derive_seed(spec.study.seed, "fold", number) if drawn else replicate
    return _with_fold(spec, derive_seed(spec.study.seed, "trial", number), fold)


def _with_fold(spec: StudySpec, seed: int, fold: int) -> int:
    folds = spec.turning_folds
    return seed if folds is None else seed // (2 * folds) * folds + fold % folds
