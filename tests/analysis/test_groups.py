"""Every key of a study that is searched has a group whose share it adds to."""

import numpy as np
import pandas as pd
import pytest

from ana_search.study_file import KEYS
from analysis import attribute


@pytest.mark.parametrize("name", ["weight_bits", "activation_bits.2", "backward_interval", "backward_alpha"])
def test_a_planted_effect_is_not_the_seeds(name: str) -> None:
    generator = np.random.default_rng(3)
    rows = [
        {"interval": interval, "noise": noise, name: level, "seed": seed, "state": "COMPLETE",
         "value": 0.8 + 0.05 * place + generator.normal(0, 0.01)}
        for interval in ("overlapped", "partition", "same_end")
        for noise in ("uniform", "normal", "logistic")
        for place, level in enumerate(("first", "second", "third"))
        for seed in range(3)
    ]  # fmt: skip
    found = attribute(pd.DataFrame(rows), draws=300, details=False)
    group = KEYS[name.split(".")[0]].group
    assert found.groups[group]["share"] > 0.85
    assert found.noise_floor["share"] < 0.15
