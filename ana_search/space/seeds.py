"""Seeds derived from the study's seed: one for each replicate, one for each draw."""

import hashlib

from ana_search.study_file import StudySpec

__all__ = ["derive_seed", "replicate_seed"]

_SEEDS = 2**31 - 1


def derive_seed(seed: int, *labels: str | int) -> int:
    """Return a seed from 0 to 2**31 - 2 that depends on ``seed`` and the labels, and on nothing else."""
    text = "/".join(map(str, (seed, *labels)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % _SEEDS


def replicate_seed(spec: StudySpec, replicate: int) -> int:
    """Return the seed of a replicate: it decides data order and initial weights of all its trials.

    Where folds take turns as validation part, the fold of a trial is its seed modulo the number of folds, and
    replicate ``r`` has fold ``r`` modulo that number.
    """
    seed = derive_seed(spec.study.seed, "replicate", replicate)
    folds = spec.turning_folds
    if folds is None:
        return seed
    return seed // (2 * folds) * folds + replicate % folds
