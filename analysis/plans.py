"""Pictures of one plan of a study: `ana-search check --plot`."""

from pathlib import Path

from ana_search.ana import StairFunction
from ana_search.plan import Bits, LayerPlan
from ana_search.planner import make_plan
from ana_search.space import TrialParams, example_params, replicate_seed
from ana_search.study_file import StudySpec
from ana_search.wording import describe_params
from analysis.figures.schedules import draw_schedules
from analysis.figures.stairs import draw_stairs
from analysis.style import save_figure

__all__ = ["draw_plan"]

_MOST_PARAMETERS = 12


def draw_plan(spec: StudySpec, folder: Path, params: TrialParams | None = None) -> list[Path]:
    """Draw one plan of a study into ``folder`` (made if missing), and return the files.

    ``params`` are those of a trial; without them an example is drawn, as the figure's title says (see
    `ana_search.space.example_params`). Written are ``schedules`` and ``stairs`` (with a number for every further kind
    of quantiser), each as PNG and as SVG.
    """
    chosen = example_params(spec) if params is None else dict(params)
    plan = make_plan(spec, chosen, replicate_seed(spec, 0))
    folder.mkdir(parents=True, exist_ok=True)
    kind = "an example plan" if params is None else "the plan"
    drawn = {
        "schedules": draw_schedules(plan, f"{spec.study.name}, {kind}: {describe_params(chosen, _MOST_PARAMETERS)}")
    }
    for number, bits in enumerate(_kinds(plan.layers)):
        spreads = sorted({layer.weights.spread for layer in plan.layers if layer.weights.spread > 0}) or [0.5]
        name = "stairs" if number == 0 else f"stairs_{number + 1}"
        drawn[name] = draw_stairs(StairFunction.for_network(bits), f"{bits}", spreads[-1])
    return [file for name, figure in drawn.items() for file in save_figure(figure, folder, name)]


def _kinds(layers: tuple[LayerPlan, ...]) -> list[Bits]:
    """Return the kinds of quantiser in a plan, in order of appearance."""
    return list(dict.fromkeys(bits for layer in layers for bits in (layer.weight_bits, layer.activation_bits)))
