"""What is written into a study: notes, figures, names, files; and never its trials."""

from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note

from ana_search.dashboard import artifacts, notes, publish
from tests.dashboard.conftest import ATTRIBUTION, frame_of


def attributes(study: optuna.Study) -> dict[str, object]:
    return study._storage.get_study_system_attrs(study._study_id)


def test_the_note_holds_question_answer_and_numbers(study, facts):
    note = notes.study_note(facts, frame_of(study))
    for piece in ("# digits", "Shape or synchronisation?", "| synchronisation | 70.0 % | 60.0 % to 80.0 % |"):
        assert piece in note
    assert "Answer so far: synchronisation" in note
    assert "4 finished of 10, 1 failed, 1 running" in note
    assert "0.9000 in trial 1" in note
    assert "*Hyperparameter Importance*" in note  # Optuna's bars stand on the same page and say something else


def test_the_note_says_why_there_is_no_answer(study):
    facts = notes.StudyFacts("digits", 10, ["val_accuracy"], [True], problem="no trial has finished")
    assert "None yet: no trial has finished" in notes.study_note(facts, frame_of(study).iloc[:0])


def test_notable_trials_have_notes(study, facts):
    found = notes.trial_notes(facts, frame_of(study))
    assert sorted(found) == [1, 3, 4]
    assert "Best so far" in found[1]
    assert "`worker lost`" in found[3]
    assert "Retried** as trial 4" in found[3]
    assert "Retry** of trial 3, attempt 2" in found[4]


def test_the_best_of_a_minimised_objective_is_the_smallest(study):
    facts = notes.StudyFacts("digits", 10, ["loss"], [False])
    assert "0.5000 in trial 0" in notes.study_note(facts, frame_of(study))


def test_publishing_changes_no_trial_and_works_for_finished_ones(study, facts, tmp_path: Path):
    before = [repr(trial) for trial in study.get_trials()]
    file = tmp_path / "report.html"
    file.write_text("<h1>report</h1>")
    publish(study, frame_of(study), facts, files=[file], artifacts=tmp_path / "artifacts")
    assert [repr(trial) for trial in study.get_trials()] == before
    assert study.metric_names == ["val_accuracy"]
    assert "Answer so far" in get_note(study)
    assert any(key.startswith("dashboard:plot_data:attribution:") for key in attributes(study))


def test_publishing_twice_writes_nothing_new(study, facts, tmp_path: Path):
    file = tmp_path / "report.html"
    file.write_text("<h1>report</h1>")
    arguments = {"files": [file], "artifacts": tmp_path / "artifacts"}
    publish(study, frame_of(study), facts, **arguments)
    before = dict(attributes(study))
    publish(study, frame_of(study), facts, **arguments)
    assert attributes(study) == before


def test_what_a_person_wrote_stays(study):
    assert notes.save(study, "first")
    dashboards = get_note(study)
    notes.save_note(study, dashboards + "my thoughts")
    assert notes.save(study, "second")
    assert get_note(study).startswith("second")
    assert get_note(study).endswith("my thoughts")
    assert not notes.save(study, "second")


def test_a_shorter_figure_replaces_a_longer_one(study, facts):
    frame = frame_of(study)
    publish(study, frame, facts)
    small = notes.StudyFacts(
        "digits", 10, ["val_accuracy"], [True], ATTRIBUTION | {"groups": {}, "verdict": "inconclusive"}
    )
    publish(study, frame, small)  # no groups: the last figure stays
    less = ATTRIBUTION | {"groups": {"shape": ATTRIBUTION["groups"]["shape"]}}
    publish(study, frame, notes.StudyFacts("digits", 10, ["val_accuracy"], [True], less))
    before = dict(attributes(study))
    publish(study, frame, notes.StudyFacts("digits", 10, ["val_accuracy"], [True], less))
    assert attributes(study) == before


def test_a_file_is_listed_once_and_replaced_where_it_differs(study, tmp_path: Path):
    folder, file = tmp_path / "artifacts", tmp_path / "a.csv"
    file.write_text("1")
    assert artifacts.attach(study, [file], folder) == ["a.csv"]
    file.write_text("22")
    assert artifacts.attach(study, [file], folder) == []
    (kept,) = folder.iterdir()
    assert kept.read_text() == "22"
    kept.unlink()
    artifacts.attach(study, [file], folder)
    assert kept.read_text() == "22"


def test_a_file_that_another_dashboard_removed_comes_back(study, tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text("1")
    artifacts.attach(study, [file], tmp_path / "artifacts")
    (key,) = [key for key in attributes(study) if key.startswith("artifacts:")]
    study._storage.set_study_system_attr(study._study_id, key, "null")
    assert artifacts.attach(study, [file], tmp_path / "artifacts") == ["a.csv"]


@pytest.mark.parametrize("reason", ["a | b", "line one\nline two", "see `x`", "# not a heading"])
def test_reasons_are_one_literal_line(study, facts, reason):
    frame = frame_of(study)
    frame.loc[3, "reason"] = reason
    note = notes.trial_notes(facts, frame)[3]
    assert note.splitlines()[0].startswith("**Failed**: ")
