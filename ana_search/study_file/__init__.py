"""The study file: TOML in, a frozen `StudySpec` out, every mistake reported at once."""

from ana_search.study_file.changes import spec_changes
from ana_search.study_file.exclusions import Exclusion
from ana_search.study_file.keys import SPACE_KEYS, SpaceKey
from ana_search.study_file.load import load_study_file
from ana_search.study_file.parameters import Choice, Fixed, Parameter, PerLayer, Range
from ana_search.study_file.spec import Space, StudySpec

__all__ = [
    "SPACE_KEYS",
    "Choice",
    "Exclusion",
    "Fixed",
    "Parameter",
    "PerLayer",
    "Range",
    "Space",
    "SpaceKey",
    "StudySpec",
    "load_study_file",
    "spec_changes",
]
