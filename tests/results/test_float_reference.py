"""What the network reaches in floating point is said wherever a study's trials learn from it."""

import io
import json
from pathlib import Path

import pytest

from ana_search.cli.analysis import analyse_studies
from ana_search.cli.options import Format
from ana_search.cli.tables import print_status
from ana_search.dispatch.local import LocalDispatcher
from ana_search.float_reference import describe_reference
from ana_search.runner import launch
from ana_search.storage import open_study
from ana_search.summary import study_status
from tests.runner.studies import make_spec


def test_status_and_report_say_what_the_network_reaches_in_floating_point(tmp_path: Path) -> None:
    spec = make_spec(
        tmp_path,
        "taught",
        study='sampler = "grid"\nseeds = 2',
        data="train_size = 400",
        training='epochs = 2\nteacher = "float"',
        space='strategy = ["expectation", "mode"]',
    )
    runs = tmp_path / "runs"
    launch(spec, runs=runs, workers=1, dispatcher=LocalDispatcher())
    notes = [json.loads(path.read_text()) for path in sorted((runs / "taught" / "float").glob("*.json"))]
    accuracies = [note["accuracy"] for note in notes]
    assert len(accuracies) == spec.replicates == 2  # once a study and replicate, whatever a trial varies
    reference = study_status("taught", runs=runs)["reference"]
    assert reference == [
        {
            "network": "digits_cnn, width 4",
            "accuracy": pytest.approx(sum(accuracies) / 2),
            "low": min(accuracies),
            "high": max(accuracies),
            "networks": 2,
        }
    ]
    said = describe_reference(reference[0])
    assert f"{sum(accuracies) / 2:.4f}" in said
    table, plain = io.StringIO(), io.StringIO()
    print_status(study_status("taught", runs=runs), stream=table)
    print_status(study_status("taught", runs=runs), Format.json, plain)
    assert said.split(":")[0] in table.getvalue()
    assert json.loads(plain.getvalue())["reference"] == json.loads(json.dumps(reference))
    analyse_studies(["taught"], tmp_path / "report", runs=runs)
    assert f"Reference, {said}." in (tmp_path / "report" / "report.html").read_text()


def test_a_note_that_is_damaged_is_left_out_and_named(tmp_path: Path, runs: Path) -> None:
    folder = runs / "kept" / "float"
    folder.mkdir()
    (folder / "one.json").write_text(
        '{"accuracy": 0.5, "seed": 1, "plan": {"network": {"name": "mlp", "width": null}}}'
    )
    (folder / "two.json").write_text('{"accuracy": "high"}')
    stored = open_study("kept", runs=runs)
    assert [(each["network"], each["accuracy"]) for each in stored.float_references()] == [("mlp", 0.5)]
    assert len(stored.damaged) == 1
    assert "two.json" in stored.damaged[0]
