"""Studies for the simulated cluster."""

from pathlib import Path

from ana_search.study_file import StudySpec, load_study_file

TEXT = """\
[study]
name = "simulated"
sampler = "{sampler}"
pruner = "{pruner}"
[data]
name = "digits"
[network]
name = "digits_cnn"
width = 4
[training]
epochs = 9
[space]
noise = {{ choices = ["uniform", "normal"], scope = "layer" }}
offset = {{ low = -0.2, high = 0.2, scope = "layer" }}
"""


def study(folder: Path, sampler: str = "random", pruner: str = "none") -> StudySpec:
    """Return a study of 10 parameters and 9 epochs."""
    path = folder / "simulated.toml"
    path.write_text(TEXT.format(sampler=sampler, pruner=pruner))
    return load_study_file(path)
