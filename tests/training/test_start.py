"""Runs that start from trained weights: of the network in floating point, or of a file of the user's."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ana_search import load_study_file, make_plan
from ana_search.ana import StairFunction, quantise, quantised_layers
from ana_search.confirm import confirm_study
from ana_search.data import load_dataset
from ana_search.dispatch.local import LocalDispatcher
from ana_search.errors import NetworkError, StudyChangedError, StudyFileError
from ana_search.export import export_network
from ana_search.export.dry_run import dry_run
from ana_search.export.from_study import export_study
from ana_search.networks import build_network
from ana_search.plan import NetworkPlan, Reference, TrainingPlan, TrainingSettings
from ana_search.rerun import rerun_trial
from ana_search.runner import launch
from ana_search.storage import open_study
from ana_search.summary import study_status
from ana_search.training import FloatStore, build, train
from ana_search.training.weights_file import load_weights
from tests.runner.studies import write_study
from tests.training.plans import Stop, digits_plan, numbers, stop_after, with_settings
from tests.training.safetensors import safetensors


def from_float(**settings: object) -> TrainingPlan:
    plan = with_settings(digits_plan(epochs=3, strategy="random"), start="float", **settings)
    return dataclasses.replace(plan, reference=Reference(TrainingSettings(epochs=6)))


def test_a_run_starts_from_the_network_in_floating_point_and_resumes_to_the_last_bit(tmp_path: Path) -> None:
    plan, store, trained = from_float(average="ema"), FloatStore(tmp_path / "float"), []
    whole = train(plan, floats=store, pause=lambda: trained.append(1))
    assert len(trained) == 6
    assert (
        whole.history[0].accuracy > train(with_settings(plan, start="random"), floats=store).history[0].accuracy + 0.2
    )
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Stop):
        train(plan, stop_after(1), floats=store, checkpoint=checkpoint)
    resumed = train(plan, floats=store, checkpoint=checkpoint, pause=lambda: trained.append(1))
    assert len(trained) == 6  # kept, and shared with a teacher's
    assert with_settings(plan, start="random", teacher="float").float_plan == plan.float_plan
    assert numbers(resumed.history) == numbers(whole.history)
    states = (result.network.state_dict() for result in (whole, resumed))
    assert all(torch.equal(one, other) for one, other in zip(*(state.values() for state in states), strict=True))


def test_the_network_in_floating_point_gives_all_its_weights_or_none() -> None:
    """A teacher's are no start: only those of a run that starts from them are taken over."""
    plan = from_float()
    given = build_network(plan.network, input_shape=(1, 8, 8), classes=10)
    with torch.no_grad():
        for parameter in given.parameters():
            parameter.fill_(0.25)
    taken = build(plan, (1, 8, 8), 10, given)[0]
    assert all(bool((value == 0.25).all()) for name, value in taken.named_parameters() if "scale" not in name)
    taught = with_settings(plan, start="random", teacher="float")
    one, other = build(taught, (1, 8, 8), 10, given)[0], build(taught, (1, 8, 8), 10)[0]
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def digits_network() -> nn.Module:
    return build_network(NetworkPlan("digits_cnn", 4), input_shape=(1, 8, 8), classes=10)


@pytest.mark.parametrize("form", ["plain", "checkpoint", "parallel", "old", "safetensors", "half"])
def test_files_of_weights_in_every_form(form: str, tmp_path: Path) -> None:
    wanted, network = digits_network(), digits_network()
    state = {name: tensor.clone() for name, tensor in wanted.state_dict().items()}
    path = tmp_path / ("w.safetensors" if form in ("safetensors", "half") else "w.pth")
    if form == "plain":
        torch.save(state, path)
    elif form == "checkpoint":
        torch.save({"epoch": 3, "model": state, "optimiser": {"lr": 0.1}}, path)
    elif form == "parallel":
        torch.save({f"module.{name}": tensor for name, tensor in state.items()}, path)
    elif form == "old":
        torch.save({name: tensor for name, tensor in state.items() if "num_batches" not in name}, path)
    else:
        kept = {n: t.half() if form == "half" and t.is_floating_point() else t for n, t in state.items()}
        path.write_bytes(safetensors(kept))
    load_weights(network, path)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=1e-3 if form == "half" else 0, atol=1e-6)


class Evil:
    """Would run on being unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('run')",))


def test_wrong_files_of_weights_are_refused_by_name(tmp_path: Path) -> None:
    network = digits_network()
    state = network.state_dict()
    first, *others = state
    wider = build_network(NetworkPlan("digits_cnn", 8), input_shape=(1, 8, 8), classes=10).state_dict()
    quantised = quantise(digits_network(), start="trained").state_dict()
    whole = safetensors(dict(state))
    for name, content, expected in (
        ("none.pt", None, "does not exist"),
        ("empty.pt", b"", "is empty"),
        ("text.pt", b"not a file of weights", "is not a file of weights"),
        ("evil.pt", Evil(), "is not a file of weights"),
        ("module.pt", network, "not the network itself"),
        ("list.pt", [1, 2], "holds a list that is no state dict"),
        ("numbers.pt", {"a": 1}, "no state dict"),
        ("lacks.pt", {each: state[each] for each in others}, f"lacks {first}"),
        ("more.pt", {**state, "extra.weight": torch.zeros(2)}, "has, and the network has not, extra.weight"),
        ("wider.pt", wider, r"has the shape \[8, 1, 3, 3\], in the network \[4, 1, 3, 3\]"),
        ("quantised.pt", quantised, "before it is quantised"),
        ("nan.pt", {**state, first: torch.full_like(state[first], torch.nan)}, f"{first} holds numbers that are not"),
        ("cut.safetensors", whole[:-5], "is not a safetensors file"),
        ("head.safetensors", whole[:20], "is not a safetensors file"),
        ("empty.safetensors", b"", "is empty"),
        ("long.safetensors", b"\xff" * 64, "is not a safetensors file"),
    ):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            torch.save(content, path)
        with pytest.raises(NetworkError, match=expected) as found:
            load_weights(network, path)
        assert name in str(found.value)
        assert "training.start" in str(found.value)


def study(folder: Path, start: str, **sections: str) -> Path:
    return write_study(
        folder, "started", study='sampler = "random"\ntrials = 1', training=f'epochs = 2\nstart = "{start}"',
        space=sections.pop("space", "spread = 0.25"), **sections,
    )  # fmt: skip


def test_check_refuses_a_file_before_anything_is_trained(tmp_path: Path) -> None:
    """One that is missing with the study file, one that does not fit in the dry run."""
    with pytest.raises(StudyFileError, match=r"training.start: got 'mine.pt', and .*mine.pt does not exist"):
        load_study_file(study(tmp_path, "mine.pt"))
    with pytest.raises(StudyFileError, match=r"training.start: got 'trained'; allowed: random, float, or a file of"):
        load_study_file(study(tmp_path, "trained"))
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "mine.pt")
    spec = load_study_file(study(tmp_path, "mine.pt"))
    assert spec.training.start == str(tmp_path / "mine.pt")
    with pytest.raises(NetworkError, match=r"mine.pt does not fit the network in floating point: it lacks 0.weight"):
        dry_run(spec)
    torch.save(digits_network().state_dict(), tmp_path / "mine.pt")
    dry_run(load_study_file(study(tmp_path, "mine.pt")))
    dry_run(load_study_file(study(tmp_path, "float")))


def test_a_search_over_starts_and_its_plans(tmp_path: Path) -> None:
    spec = load_study_file(study(tmp_path, "random", space='start = ["random", "float"]'))
    plans = [make_plan(spec, {"start": start}, 3) for start in ("random", "float")]
    assert [plan.training.start for plan in plans] == ["random", "float"]
    assert [plan.reference is None for plan in plans] == [True, False]
    assert plans[1].float_plan is not None
    assert plans[1].float_plan.training.start == "random"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_study_from_a_file_goes_the_whole_way(tmp_path: Path) -> None:
    """Launched, exported exactly, trained again, confirmed; another file of that name is refused."""
    plan = TrainingPlan(digits_plan().data, NetworkPlan("digits_cnn", 4), (), TrainingSettings(epochs=8), 1)
    torch.save(train(plan).network.state_dict(), tmp_path / "mine.pt")
    spec, runs = load_study_file(study(tmp_path, "mine.pt", data="")), tmp_path / "runs"
    launch(spec, runs=runs, workers=1, dispatcher=LocalDispatcher())
    status = study_status("started", runs=runs)
    assert status["best"] is not None
    assert status["best"]["value"] > 0.45  # two epochs from random weights: 0.19 to 0.27
    network = open_study("started", runs=runs).network(0)
    assert all(layer.map.weight_quantiser.scale is not None for layer in quantised_layers(network))
    assert export_study("started", tmp_path / "out", runs=runs).models[0].accuracy.frozen == status["best"]["value"]
    assert rerun_trial("started", 0, runs=runs).equal
    torch.save(digits_network().state_dict(), tmp_path / "mine.pt")
    for again in (
        lambda: launch(spec, trials=2, runs=runs, workers=1, dispatcher=LocalDispatcher()),
        lambda: rerun_trial("started", 0, runs=runs),
        lambda: confirm_study("started", seeds=2, runs=runs),
    ):
        with pytest.raises(StudyChangedError, match=r"the weights to start from: mine.pt has changed"):
            again()


class Residual(nn.Module):
    """A block with a projection, whose sum a shared ReLU reads, and a network without batch norm in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.one, self.two, self.side = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(6) for _ in range(2)])
        self.relu, self.hidden, self.head = nn.ReLU(), nn.Linear(6 * 16, 16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = self.relu(self.norms[0](self.two(self.relu(self.one(x)))) + self.norms[1](self.side(x)))
        x = nn.functional.max_pool2d(x, 2).flatten(1)
        return self.head(nn.functional.hardtanh(self.hidden(x)))


@pytest.mark.parametrize(
    ("bits", "scale"), [("ternary", "fixed"), (3, "learned"), (4, "power_of_two")], ids=["ternary", "lsq", "tqt"]
)
@pytest.mark.parametrize("form", ["onnx", "c"])
def test_fitted_networks_are_exported_exactly(bits: object, scale: object, form: str, tmp_path: Path) -> None:
    """File, integers and trained network agree on every image, and nothing is written if they do not."""
    torch.manual_seed(3)
    data = load_dataset(digits_plan().data)
    pixels = data.images[data.train[:400]]
    inputs = (pixels.float() - 128) / 128
    stair = StairFunction.for_network(bits)  # type: ignore[arg-type]  # as above
    fitted = quantise(Residual(), stair, stair, start="trained", example=inputs, scale=scale)  # type: ignore[arg-type]
    exported = export_network(fitted.eval(), pixels, tmp_path / f"net.{form}", format=form)
    assert exported.verified
    with torch.no_grad():
        assert torch.equal(torch.from_numpy(exported.predictions), fitted(inputs).argmax(dim=1))
