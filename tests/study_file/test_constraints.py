"""Objectives and constraints of a study file: what is read, and what a mistake is told as."""

import pytest

from ana_search.errors import StudyFileError
from ana_search.hardware import check_constraints, infeasible_cells
from ana_search.objectives import ACCURACY, OBJECTIVES, Constraint, parse_constraint
from ana_search.study_file import StudySpec
from tests.conftest import MakeStudy

BITS = 'weight_bits = { choices = [2, 8], scope = "layer" }'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes <= 50_000", Constraint("bytes", True, 50_000)),
        ("operations<=2e9", Constraint("operations", True, 2e9)),
        ("  val_accuracy   >=  0.95 ", Constraint("val_accuracy", False, 0.95)),
        ("weight_bits <= 2.5", Constraint("weight_bits", True, 2.5)),
        ("latency <= .25", Constraint("latency", True, 0.25)),
    ],
)
def test_what_is_read_and_written_again(text: str, expected: Constraint) -> None:
    assert parse_constraint(text) == expected
    assert parse_constraint(str(expected)) == expected


WRONG = [
    "bytes < 5", "bytes <= ", "byte <= 5", "bytes == 5", "5 >= bytes", "bytes <= 5 kB", "bytes <= nan", "bytes <= inf",
    "bytes <= -1", "bytes <= 5 <= 6", "", "val_accuracy >= 95", "bytes", "__import__('os') <= 1", "bytes <= 1 or True",
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_told_with_its_place_its_value_and_what_is_allowed(text: str, make_study: MakeStudy) -> None:
    with pytest.raises(StudyFileError) as error:
        make_study(BITS, f'sampler = "tpe"\nconstraints = ["bytes <= 99999", "{text}"]')
    (line,) = [line for line in str(error.value).splitlines() if "study." in line]
    assert line.startswith(f"  - study.constraints[1]: got {text!r}; allowed: a text like 'bytes <= 50_000'")
    assert all(name in line for name in OBJECTIVES)


@pytest.mark.parametrize("value", ["5", '"bytes <= 5"', "{ bytes = 5 }", "[5]", "[true]", '[["bytes <= 5"]]'])
def test_what_is_no_list_of_texts_is_refused(value: str, make_study: MakeStudy) -> None:
    with pytest.raises(StudyFileError, match=r"study.constraints(\[0\])?: got"):
        make_study(BITS, f'sampler = "tpe"\nconstraints = {value}')


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('constraints = ["bytes <= 5e6", "bytes <= 6e6"]', r"study.constraints: got two like 'bytes <= 5000000'"),
        ('sampler = "pick_freeze"\nconstraints = ["bytes <= 5e6"]', r"study.constraints: .*'pick_freeze'"),
        ('constraints = ["latency <= 5"]\nexport = false', r"study.constraints: latency .* export = true"),
        ('objective = ["val_accuracy", "latency"]\nexport = false', r"study.objective: latency .* export = true"),
        ('constraints = ["ram <= 2_000"]\nexport = false', r"study.constraints: ram .* export = true"),
        ('objective = "bytes"', r"study.objective: got 'bytes'; allowed: \"val_accuracy\", or for a Pareto front"),
        ('objective = ["bytes", "val_accuracy"]', r"study.objective: got"),
        ('objective = ["val_accuracy", "bytes", "bytes"]', r"study.objective: got"),
        ('objective = ["val_accuracy", "size"]', r"study.objective: got .*bytes, operations, latency, ram, flash"),
        ("objective = []", r"study.objective: got"),
        ('sampler = "grid"\npruner = "asha"\nobjective = ["val_accuracy", "bytes"]', r"study.pruner: .*'grid'"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(given: str, message: str, make_study: MakeStudy) -> None:
    with pytest.raises(StudyFileError, match=message):
        make_study("weight_bits = [2, 8]", given)


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name != ACCURACY])
def test_every_objective_goes_with_every_sampler_and_pruner(name: str, make_study: MakeStudy) -> None:
    for sampler in ("tpe", "nsga2", "random", "qmc"):
        for pruner in ("none", "asha", "hyperband"):
            given = f'sampler = "{sampler}"\npruner = "{pruner}"\nobjective = ["{ACCURACY}", "{name}"]'
            spec = make_study(BITS, given)
            assert spec.study.objective == (ACCURACY, name)
            assert StudySpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("sampler", ["tpe", "grid", "qmc"])
def test_a_study_that_no_network_can_meet_is_told_by_how_much(sampler: str, make_study: MakeStudy) -> None:
    def limited(*constraints: str) -> StudySpec:
        listed = ", ".join(f'"{one}"' for one in constraints)
        return make_study("weight_bits = [2, 8]", f'sampler = "{sampler}"\nconstraints = [{listed}]')

    check_constraints(limited("bytes <= 100_000", "val_accuracy >= 1", "weight_bits >= 8"))
    with pytest.raises(StudyFileError, match=r"'bytes <= 10' \(the least of any is [\d,]+ bytes\): no network"):
        check_constraints(limited("bytes <= 10"))
    with pytest.raises(StudyFileError, match=r"'weight_bits >= 8.5' \(the most of any is 8.000 bits\)"):
        check_constraints(limited("bytes <= 100_000", "weight_bits >= 8.5"))
    check_constraints(limited("ram <= 100_000", "flash <= 100_000"))
    with pytest.raises(StudyFileError, match=r"'flash <= 100' \(the network with the least bits takes [\d,]+ bytes\)"):
        check_constraints(limited("ram <= 100_000", "flash <= 100"))
    if sampler == "grid":  # here all networks are known: two of 2 and of 8 bits
        assert infeasible_cells(limited("weight_bits <= 4")) == 1
        with pytest.raises(StudyFileError, match="all of them"):
            check_constraints(limited("weight_bits <= 7", "weight_bits >= 3"))


def test_the_width_of_the_network_counts(make_study: MakeStudy) -> None:
    spec = make_study("weight_bits = [2, 8]", 'sampler = "tpe"\nconstraints = ["bytes <= 2_000"]')
    wide = spec.model_copy(update={"network": spec.network.model_copy(update={"width": 32})})
    check_constraints(spec)
    with pytest.raises(StudyFileError, match="no network"):
        check_constraints(wide)
