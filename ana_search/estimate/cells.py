"""Every cell of a grid with the schedules of its layers, as lines of JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

from ana_search.errors import RequestError
from ana_search.files import write_durably
from ana_search.plan import LayerPlan
from ana_search.planner import make_plan
from ana_search.space import TrialParams, grid, replicate_seed, searched
from ana_search.study_file import StudySpec

__all__ = ["plan_lines", "write_plans"]

_SCHEDULE = (
    "noise", "strategy", "mean", "spread", "start", "end", "mean_alpha", "spread_alpha", "decay",
    "spread_measure", "method",
)  # fmt: skip
_BACKWARD = ("backward_noise", "backward_spread", "backward_start", "backward_end", "backward_alpha")


class CellLine(TypedDict):
    """One cell of a grid with its training plan (see `plan_lines`); the parts of the plan as its JSON has them."""

    study: str
    cell: int
    params: TrialParams
    layers: Sequence[Mapping[str, object]]
    epochs: int
    training: Mapping[str, object]
    network: Mapping[str, object]
    data: Mapping[str, object]


def plan_lines(spec: StudySpec) -> Iterator[CellLine]:
    """Yield every cell of the study's grid with its training plan, as plain data.

    ``layers`` holds for each layer the schedule of its weights: ``start`` and ``end`` are fractions of the
    annealing budget, ``mean`` and ``spread`` are those at its start, in steps of the stair;
    ``activations`` is there where the activations' schedule differs, ``backward`` where it is not "same".
    Raises `RequestError` for a study whose trials are not the cells of a grid.
    """
    if spec.study.sampler != "grid" and searched(spec):
        raise RequestError(
            f"study {spec.study.name!r} has no cells to list: its sampler is {spec.study.sampler!r};"
            " allowed: sampler = 'grid', or a study with nothing searched"
        )
    for index, params in enumerate(grid(spec)):
        plan = make_plan(spec, params, replicate_seed(spec, 0))
        training = asdict(plan.training)
        yield {
            "study": spec.study.name,
            "cell": index,
            "params": params,
            "layers": [_layer(layer) for layer in plan.layers],
            "epochs": training.pop("epochs"),
            "training": training,
            "network": asdict(plan.network),
            "data": {key: value for key, value in asdict(plan.data).items() if key != "fold"},
        }


def _layer(layer: LayerPlan) -> Mapping[str, object]:
    weights, activations = asdict(layer.weights), asdict(layer.activations)
    line = {name: weights[name] for name in _SCHEDULE}
    line |= {"weight_bits": layer.weight_bits, "activation_bits": layer.activation_bits}
    if weights["backward"] != "same":
        line |= {name: weights[name] for name in ("backward", *_BACKWARD)}
    if activations != weights:
        line["activations"] = {name: activations[name] for name in _SCHEDULE}
    return line


def write_plans(spec: StudySpec, path: Path) -> None:
    """Write `plan_lines` to ``path``, one JSON object a line; the file appears complete or not at all.

    Raises `RequestError` where the file cannot be written, or the study has no cells to list.
    """
    lines = [json.dumps(line) for line in plan_lines(spec)]
    if not path.parent.is_dir():  # it was typed by hand: more likely a mistake than a wish for a new folder
        raise RequestError(f"--plans {path}: cannot be written: there is no folder {path.parent}")
    try:
        write_durably(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise RequestError(f"--plans {path}: cannot be written: {error.strerror}") from None
