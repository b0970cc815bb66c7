"""Studies on the digits network, made from a few lines of TOML."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ana_search.study_file import StudySpec, load_study_file

MakeStudy = Callable[..., StudySpec]

_TEMPLATE = """\
[study]
name = "made"
{study}
[data]
name = "digits"
{data}
[network]
name = "digits_cnn"
width = 4
[training]
epochs = {epochs}
[space]
{space}
"""


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    def make(space: str, study: str = 'sampler = "random"', *, data: str = "", epochs: int = 18) -> StudySpec:
        path = tmp_path / "made.toml"
        path.write_text(_TEMPLATE.format(space=space, study=study, data=data, epochs=epochs))
        return load_study_file(path)

    return make
