"""Each layer's noise over training, as numbers."""

import pandas as pd

from ana_search.ana.annealer import noise_state
from ana_search.plan import TrainingPlan

__all__ = ["schedule_frame"]


def schedule_frame(plan: TrainingPlan, points: int = 201) -> pd.DataFrame:
    """Return the noise of every layer of a plan at equally spaced times from the first step to the last.

    One row for each time, layer, ``part`` (``weights`` or ``activations``) and ``direction`` (``forward`` or
    ``backward``), with ``epoch`` (from 0 to the epochs of the plan), ``time`` (in units of the annealing
    budget), and ``mean`` and ``spread`` in steps of the layer's stair.
    """
    rows = []
    training = plan.training
    for index in range(points):
        fraction = index / (points - 1)
        time = fraction / training.anneal if training.anneal > 0 else 1.0
        for layer, one in enumerate(plan.layers):
            for part, schedule in (("weights", one.weights), ("activations", one.activations)):
                state = noise_state(schedule, time)
                row = {"epoch": fraction * training.epochs, "time": time, "layer": layer, "part": part}
                forward = {"mean": state.forward_mean, "spread": state.forward_spread}
                backward = {"mean": state.backward_mean, "spread": state.backward_spread}
                rows.append(row | {"direction": "forward"} | forward)
                rows.append(row | {"direction": "backward"} | backward)
    return pd.DataFrame(rows)
