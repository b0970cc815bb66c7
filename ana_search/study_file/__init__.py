"""The study file: TOML in, a frozen `StudySpec` out, every mistake reported at once."""

from ana_search.study_file.changes import spec_changes
from ana_search.study_file.exclusions import Exclusion
from ana_search.study_file.keys import GROUPS, KEYS, Key, groups_of, is_argument, is_parameter, key_of
from ana_search.study_file.load import load_study_file
from ana_search.study_file.parameters import Choice, Fixed, Parameter, PerLayer, Range
from ana_search.study_file.spec import Space, StudySpec

__all__ = [
    "GROUPS",
    "KEYS",
    "Choice",
    "Exclusion",
    "Fixed",
    "Key",
    "Parameter",
    "PerLayer",
    "Range",
    "Space",
    "StudySpec",
    "groups_of",
    "is_argument",
    "is_parameter",
    "key_of",
    "load_study_file",
    "spec_changes",
]
