"""The study as its file describes it: frozen, complete with defaults, and serialisable to JSON."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ana_search.study_file.exclusions import Exclusion
from ana_search.study_file.keys import RENAMED, is_parameter
from ana_search.study_file.parameters import Parameter
from ana_search.study_file.sections import Data, Folds, Network, Quantiser, Resources, Study, Training

__all__ = ["Space", "StudySpec"]


class Space(BaseModel):
    """``[space]``: the parameters that the file names, fixed or searched, and the cells a grid leaves out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: dict[str, Parameter] = Field(default_factory=dict)
    exclude: tuple[Exclusion, ...] = ()

    @field_validator("parameters")
    @classmethod
    def _known(cls, parameters: dict[str, Parameter]) -> dict[str, Parameter]:
        """Refuse what another version called a parameter: left alone, it would have no effect on any plan."""
        for name in parameters:
            if name in RENAMED:
                raise ValueError(f"{name!r} is called {RENAMED[name]!r} now")
            if not is_parameter(name):
                raise ValueError(f"unknown parameter {name!r}")
        return parameters


class StudySpec(BaseModel):
    """One study: what is asked, the data, the network, the fixed settings and the space searched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: Study
    data: Data
    network: Network
    quantiser: Quantiser = Quantiser()
    training: Training
    space: Space = Space()
    resources: Resources = Resources()
    layers: int | None = None
    """The number of quantised layers, counted when the file was read: who only reads a study need not run its code."""

    @property
    def replicates(self) -> int:
        """How often every set of parameters is trained: ``seeds``, times the folds where they take turns."""
        folds = self.turning_folds
        return self.study.seeds if folds is None else self.study.seeds * folds

    @property
    def turning_folds(self) -> int | None:
        """The number of folds that take turns as validation part; ``None`` where the split is one for all."""
        validation = self.data.validation
        return validation.folds if isinstance(validation, Folds) and validation.fold is None else None

    def to_json(self) -> str:
        """Return the study as one line of JSON.

        The storage is left out: where a study is kept is no part of it, and its URL may hold a password.
        """
        return self.model_dump_json(exclude={"study": {"storage"}})

    @classmethod
    def from_json(cls, text: str | bytes) -> "StudySpec":
        """Return the study that `to_json` wrote. Raises pydantic's ``ValidationError`` for anything else."""
        return cls.model_validate_json(text)
