"""The numerical demonstration in `docs/convergence.md`: its claims, and that it computes what the product computes."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from ana_search.ana import NOISE_FAMILIES, Annealer, LayerSchedule, Noise, StairFunction, quantise, regularise
from ana_search.ana.annealer import noise_state

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def demonstration() -> ModuleType:
    spec = importlib.util.spec_from_file_location("convergence", DOCS / "convergence.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def annealed(x: torch.Tensor, schedules: list[LayerSchedule], t: float) -> torch.Tensor:
    """Return the composition, computed with `regularise`."""
    step = StairFunction((0.0, 1.0), (0.0,))
    for schedule in schedules:
        state = noise_state(schedule, t)
        x = regularise(x, step, Noise(schedule.noise, state.forward_mean, state.forward_spread)) - 1.0
    return x + 1.0


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("family", NOISE_FAMILIES)
def test_forward_orders_converge_and_reversed_ones_do_not(demonstration: ModuleType, family: str, layers: int) -> None:
    for policy in demonstration.POLICIES:
        plan = demonstration.schedules(family, policy, layers)
        late = [demonstration.gap(plan, t) for t in (0.9, 0.99, 0.999, 0.9999)]
        if policy.startswith("reverse") and family in ("normal", "logistic"):
            assert late == pytest.approx([0.5] * 4, abs=0.005)
        else:
            assert sorted(late, reverse=True) == late
            assert late[-1] < 0.001


@pytest.mark.parametrize("family", NOISE_FAMILIES)
def test_without_the_mean_ties_are_undecided(demonstration: ModuleType, family: str) -> None:
    for policy in ("partition", "same_start", "same_end", "overlapped"):
        assert demonstration.gap(demonstration.schedules(family, policy, 2, mean=0.0), 0.999) == pytest.approx(
            0.25, abs=0.005
        )


@pytest.mark.parametrize("policy", ["partition", "overlapped", "reverse_partition"])
@pytest.mark.parametrize("family", NOISE_FAMILIES)
def test_the_product_computes_the_same(demonstration: ModuleType, family: str, policy: str) -> None:
    x = demonstration.X
    plan = demonstration.schedules(family, policy, 3)
    for t in (0.0, 0.2, 0.4, 0.6, 1.0):
        ours = annealed(torch.from_numpy(x), plan, t).numpy()
        expected = demonstration.composition(x, plan, t)
        # Double precision loses the tails below 1e-16 that the demonstration keeps.
        if policy != "reverse_partition" or family in ("uniform", "triangular") or t in (0.0, 0.2, 1.0):
            assert np.allclose(ours, expected, atol=1e-9)


def test_the_page_shows_what_the_script_finds(demonstration: ModuleType) -> None:
    page = (DOCS / "convergence.md").read_text()
    found = demonstration.gaps(3)
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.count("|") == 7]
    cells = [
        [cell.strip() for cell in row] for row in rows if "_" in row[0] or row[0].strip() in ("partition", "overlapped")
    ]
    assert len(cells) == 9
    for policy, family, *values in cells:
        row = found[(found.policy == policy) & (found.family == family)].iloc[0]
        assert values == [f"{row[f't = {t}']:.4f}" for t in demonstration.TIMES]


@pytest.mark.parametrize("policy", ["partition", "reverse_partition"])
def test_a_network_of_layers_behaves_alike(demonstration: ModuleType, policy: str) -> None:
    """Layers instead of functions: identity maps with the bias -1, of which the activations are annealed."""
    step = StairFunction((0.0, 1.0), (0.0,))
    modules: list[torch.nn.Module] = []
    for _ in range(2):
        modules += [torch.nn.Linear(1, 1, dtype=torch.float64), torch.nn.ReLU()]
    network = quantise(torch.nn.Sequential(*modules), activations=step, keep_last=False)
    plan = demonstration.schedules("logistic", policy, 2)
    annealer = Annealer(network, [LayerSchedule(spread=0.0, mean=0.0)] * 2, plan)
    with torch.no_grad():
        for index, bias in ((0, 0.0), (2, -1.0)):
            network.get_parameter(f"{index}.weight").fill_(1.0)
            network.get_parameter(f"{index}.bias").fill_(bias)
    x = torch.from_numpy(demonstration.X)[:, None]
    annealer.set(0.7)
    distance = (network(x) - network.eval()(x)).abs().mean().item()
    assert (distance < 0.05) == (policy == "partition")
