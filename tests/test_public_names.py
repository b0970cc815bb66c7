"""The names that users import; removing or renaming one breaks their code."""

import ana_search
import ana_search.ana
import analysis


def test_search_names() -> None:
    assert {"load_study_file", "make_plan", "train", "load_results", "export_network"} <= set(ana_search.__all__)
    for name in ana_search.__all__:
        assert getattr(ana_search, name) is not None


def test_ana_names() -> None:
    wanted = {
        "StairFunction", "Noise", "NOISE_FAMILIES", "regularise", "STE_PRESETS",
        "SCHEDULES", "decay_intervals", "decay_powers", "quantise",
    }  # fmt: skip
    assert wanted <= set(ana_search.ana.__all__)
    for name in ana_search.ana.__all__:
        assert getattr(ana_search.ana, name) is not None


def test_analysis_names() -> None:
    assert {"attribute", "report"} <= set(analysis.__all__)
    for name in analysis.__all__:
        assert getattr(analysis, name) is not None
