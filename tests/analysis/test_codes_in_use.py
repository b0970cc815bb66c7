"""Notes on layers that died and on weights that oscillate."""

import pandas as pd

from analysis.codes_in_use import notes


def test_dead_layers_and_oscillation_are_noticed() -> None:
    table = pd.DataFrame(
        {
            "number": [0, 1, 2, 3],
            "levels_of_weights": ["3 3", "3 1", None, "3 3"],
            "levels_of_activations": ["3 0", "3 3", None, "1 3"],
            "flips_of_weights": ["0.01 0", "0 0.2", None, "0 0"],
        }
    )
    dead, restless = notes(table)
    assert "2 trials (1, 3)" in dead
    assert "one level" in dead
    assert "in trial 1 more than 5%" in restless


def test_tables_that_say_nothing_of_levels() -> None:
    assert notes(pd.DataFrame({"number": [0], "levels_of_weights": ["3 3"], "flips_of_weights": ["0.05 0"]})) == []
    assert notes(pd.DataFrame({"value": [0.5]})) == []
