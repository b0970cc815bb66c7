"""Whatever a file of a study holds: one line that names it, no traceback, no code run, nothing counted that is not."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ana_search.cli.main import build_app
from ana_search.confirm import confirmed
from ana_search.dispatch.local import LocalDispatcher
from ana_search.errors import AnaSearchError
from ana_search.hardware.exported import ExportedFigures
from ana_search.results import load_history
from ana_search.runner import launch
from ana_search.storage import open_study
from ana_search.training import build
from ana_search.training.checkpoint import VERSION, RunState, load_checkpoint, save_checkpoint
from ana_search.training.weights_file import load_weights
from tests.conftest import KEPT as NAME
from tests.hostile.malformed import malformed
from tests.runner.commands import run
from tests.runner.studies import make_spec
from tests.training.plans import digits_plan
from tests.training.safetensors import safetensors

EXPECTED = (1, 2)


def command(*words: str) -> tuple[int, str]:
    """Return exit code and output of a command in this process."""
    result = CliRunner().invoke(build_app(), list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def check_told(code: int, output: str, name: str, expected: tuple[int, ...]) -> None:
    assert code in expected, output
    assert "Traceback" not in output
    assert "fault of ana-search" not in output, output
    assert name in output


def told(action: Callable[[], object]) -> str | None:
    """Return what an action says is wrong, in an error for the user; ``None`` where nothing is."""
    try:
        action()
    except AnaSearchError as error:
        return str(error)
    return None


def each(file: Path, tmp_path: Path, look: Callable[[str], None]) -> None:
    """Put a hundred malformed contents into ``file`` and look at each; no code may have run."""
    content, trace = file.read_bytes(), tmp_path / "code-ran"
    seen = 0
    for name, wrong in malformed(content, trace):
        if wrong == content:
            continue
        file.write_bytes(wrong)
        look(name)
        assert not trace.exists(), name
        seen += 1
    assert seen >= 95
    file.write_bytes(content)


def forget_hashes(runs: Path) -> None:
    """Make the trials those of an older version, which recorded no hash: every file is then read to its end."""
    with sqlite3.connect(runs / NAME / "study.db") as database:
        database.execute("DELETE FROM trial_user_attributes WHERE key LIKE '%sha256'")


@pytest.mark.parametrize("known", [True, False], ids=["with a hash", "without"])
def test_weights(runs: Path, tmp_path: Path, known: bool) -> None:
    if not known:
        forget_hashes(runs)
    stored = open_study(NAME, runs=runs)
    best = stored.complete()[0].number
    path = stored.place.folder.network(best)

    def look(name: str) -> None:
        error = told(lambda: open_study(NAME, runs=runs).network(best))
        assert error is None or str(path) in error, name
        assert error is not None or not known, name  # a changed number in the weights is found by its hash alone

    each(path, tmp_path, look)
    path.write_bytes(path.read_bytes()[:1000])
    words = ("export", NAME, "--runs", str(runs), "--out", str(tmp_path / "models"))
    check_told(*command(*words), "network.pt", EXPECTED)
    assert not list((tmp_path / "models").glob("*"))
    finished = run(tmp_path, *words)
    check_told(finished.returncode, finished.stdout + finished.stderr, "network.pt", EXPECTED)


def test_histories(runs: Path, tmp_path: Path) -> None:
    forget_hashes(runs)
    path = runs / NAME / "trials" / "0" / "history.json"

    def look(name: str) -> None:
        error = told(lambda: load_history(NAME, 0, runs=runs))
        assert error is None or str(path) in error, name
        stored = open_study(NAME, runs=runs)
        assert 1 in stored.histories(), name
        assert all(str(path) in line for line in stored.damaged), name
        assert not stored.notes, name

    each(path, tmp_path, look)


@pytest.mark.parametrize("content", [b"", b"[" * 10_000])
def test_a_damaged_history_costs_the_report_no_more_than_its_curve(runs: Path, tmp_path: Path, content: bytes) -> None:
    (runs / NAME / "trials" / "0" / "history.json").write_bytes(content)
    out = tmp_path / "report"
    code, output = command("analyse", NAME, "--runs", str(runs), "--out", str(out))
    check_told(code, output, "history.json", EXPECTED)
    assert (out / "report.html").is_file()


def test_notes_of_an_export(runs: Path, tmp_path: Path) -> None:
    path = runs / NAME / "trials" / "0" / "frozen.json"
    path.write_text('{"accuracy": 0.5}')

    def look(name: str) -> None:
        code, output = command("best", NAME, "--runs", str(runs))
        check_told(code, output, "frozen.json", EXPECTED)
        assert "noise" in output, name  # the table of the trials is there all the same

    each(path, tmp_path, look)


def test_confirmations(runs: Path, tmp_path: Path) -> None:
    path = runs / NAME / "confirm.json"
    entry = '{"seed": 1, "plan_hash": "a", "validation": 0.5, "test": 0.5, "params": {"noise": "uniform"}}'
    path.write_text(f'{{"runs": [{entry}, {entry.replace("0.5", "0.6")}]}}')

    def look(name: str) -> None:
        found = confirmed(path.parent, {"noise": "uniform"})
        assert found is None or all(0 <= value <= 1 for value in found["accuracies"]), name

    each(path, tmp_path, look)
    path.write_bytes(b'{"runs": [{"seed"')
    code, output = command("confirm", NAME, "--runs", str(runs), "--seeds", "2")
    check_told(code, output, "confirm.json", EXPECTED)
    assert (path.parent / "confirm.json.damaged").read_bytes() == b'{"runs": [{"seed"'


def test_a_database(runs: Path, tmp_path: Path) -> None:
    """A changed byte may leave a database that SQLite reads: then the command tells what it reads."""
    path = runs / NAME / "study.db"
    codes = []

    def look(name: str) -> None:
        for words in (("status", NAME), ("best", NAME)):
            code, output = command(*words, "--runs", str(runs))
            assert "fault of ana-search" not in output, (name, output)
            assert code == 0 or ("study.db" in output and code in EXPECTED), (name, output)
            codes.append(code)

    each(path, tmp_path, look)
    assert codes.count(2) > len(codes) / 2


def test_a_journal(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    spec = make_spec(tmp_path, NAME, training="epochs = 1", data="train_size = 100", space='noise = ["uniform"]')
    url = f"journal:///{path}"
    launch(spec, runs=tmp_path / "runs", storage=url, workers=1, dispatcher=LocalDispatcher())

    def look(name: str) -> None:
        code, output = command("status", NAME, "--runs", str(tmp_path / "runs"), "--storage", url)
        assert "fault of ana-search" not in output, (name, output)
        assert code == 0 or ("study.journal" in output and code in EXPECTED), (name, output)

    each(path, tmp_path, look)


@pytest.mark.parametrize("table", ["study_user_attributes", "trial_user_attributes", "trial_params"])
def test_what_a_database_holds(runs: Path, tmp_path: Path, table: str) -> None:
    """The rows are damaged, not the file: another program, or a newer version, has written something else."""
    path = runs / NAME / "study.db"
    content = path.read_bytes()
    column = "distribution_json" if table == "trial_params" else "value_json"
    for wrong in ("", "{", "[" * 10_000, '"text"', "[1, 2]", "null", "1e999", '{"space": 1}', "9" * 5_000, "true"):
        path.write_bytes(content)
        with sqlite3.connect(path) as database:
            database.execute(f"UPDATE {table} SET {column} = ?", (wrong,))
        for words in (("status", NAME), ("best", NAME), ("export", NAME, "--out", str(tmp_path / "models"))):
            code, output = command(*words, "--runs", str(runs))
            assert "fault of ana-search" not in output, (words, wrong[:20], output[-2000:])
            assert code in (0, *EXPECTED)


def test_manifests(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "models"
    code, output = command("export", NAME, "--runs", str(runs), "--out", str(out))
    assert code == 0, output

    def look(name: str) -> None:
        check_told(*command("export", "--check", str(out)), "manifest.json", (0, *EXPECTED))

    each(out / "manifest.json", tmp_path, lambda name: look(name))


def test_checkpoints(runs: Path, tmp_path: Path) -> None:
    """A run that cannot go on starts anew: it loses time and no result."""
    plan = open_study(NAME, runs=runs).plan(0)
    network, _ = build(plan, (1, 8, 8), 10)
    optimiser = torch.optim.Adam(network.parameters())
    path = tmp_path / "checkpoint.pt"
    run = RunState(network, optimiser)
    save_checkpoint(path, plan, run, [], {"torch": torch.get_rng_state()})
    assert load_checkpoint(path, plan, run) is not None
    started_anew = []

    def look(name: str) -> None:
        started_anew.append(load_checkpoint(path, plan, run) is None)

    each(path, tmp_path, look)
    assert sum(started_anew) > 80
    right = {"version": VERSION, "plan": plan.hash}
    for wrong in ({"version": VERSION}, right, right | {"network": 1}):
        torch.save(wrong, path)
        assert load_checkpoint(path, plan, run) is None


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_to_start_from(suffix: str, tmp_path: Path) -> None:
    """A file that is not the network's weights is refused by name; one with other numbers is what it says."""
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save(network.state_dict(), path)
    else:
        path.write_bytes(safetensors(network.state_dict()))
    load_weights(network, path)
    refused = []

    def look(name: str) -> None:
        error = told(lambda: load_weights(network, path))
        assert error is None or str(path) in error, name
        refused.append(error is not None)

    each(path, tmp_path, look)
    assert sum(refused) > 80


def test_figures_of_files(tmp_path: Path) -> None:
    """What networks cost, as their files told: a damaged note is no error, and is measured and written anew."""
    path = tmp_path / "figures.json"
    plan = digits_plan()
    wanted = ExportedFigures(["ram"], path).of(plan)
    whole = path.read_bytes()

    each(path, tmp_path, lambda _name: ExportedFigures(["ram"], path))
    for wrong in (b"", b"{", b'{"ram": 1}', whole[:-5]):
        path.write_bytes(wrong)
        assert ExportedFigures(["ram"], path).of(plan) == wanted
        assert path.read_bytes() == whole


def test_a_pipe_in_the_place_of_a_file_hangs_nobody(runs: Path) -> None:
    import os

    stored = open_study(NAME, runs=runs)
    best = stored.complete()[0].number
    for path in (stored.place.folder.network(best), stored.place.folder.trial(best) / "history.json"):
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(AnaSearchError, match="not a regular file"):
        stored.network(best)
    assert best not in stored.histories()
    assert any("not a regular file" in line for line in stored.damaged)
