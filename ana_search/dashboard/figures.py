"""The figures on the dashboard's pages, as Plotly graphs: shares of the variance, and a plan's schedules."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ana_search.plan import TrainingPlan
from ana_search.plots import schedule_frame
from ana_search.shares import shares_by_name

__all__ = ["attribution_figure", "schedule_figure"]

_DELTA = 0.10
_HEIGHT = 440  # pixels that the dashboard's page gives a graph
_INK = "#333333"
_FONT = {"family": "DejaVu Sans, Verdana, sans-serif", "size": 13, "color": _INK}
_VIRIDIS = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#d8c420")


def attribution_figure(attribution: Mapping[str, Any]) -> go.Figure:
    """Return a dot with its interval for the share of every group, the interaction and the rest.

    ``attribution`` is verdict.json. The dotted line is the share below which a group does not matter.
    """
    known = list(shares_by_name(attribution).items())
    names = [name for name, _ in known]
    shares = [100 * row["share"] for _, row in known]
    ends = {
        end: [
            abs(100 * row[end] - share) if row.get(end) is not None else 0.0
            for (_, row), share in zip(known, shares, strict=True)
        ]
        for end in ("ci_low", "ci_high")
    }
    level = f"{attribution.get('level', 0.95):.0%}"
    figure = go.Figure(
        go.Scatter(
            x=shares,
            y=names,
            mode="markers",
            marker={"size": 12, "color": "#0072b2"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": ends["ci_high"],
                "arrayminus": ends["ci_low"],
            },
            hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
        )
    )
    delta = 100 * (attribution.get("thresholds") or {}).get("delta", _DELTA)
    figure.add_vline(x=delta, line={"dash": "dot", "color": "#888888"})
    figure.update_layout(
        template="none",
        font=_FONT,
        title={"text": f"Shares of the variance: {attribution['verdict']}"},
        xaxis={
            "title": {"text": f"share [%], with {level} interval"},
            "range": [-2, 102],
            "gridcolor": "#eeeeee",
        },
        yaxis={"autorange": "reversed", "automargin": True},
        margin={"l": 130, "r": 20, "t": 60, "b": 50},
        height=_HEIGHT,
        showlegend=False,
    )
    return figure


def schedule_figure(plan: TrainingPlan, title: str) -> go.Figure:
    """Return each layer's forward spread and mean over training, one line a layer, first layer darkest."""
    frame = schedule_frame(plan, points=101)
    frame = frame[(frame["part"] == "weights") & (frame["direction"] == "forward")]
    quantities = [name for name in ("spread", "mean") if frame[name].abs().max() > 0] or ["spread"]
    figure = make_subplots(rows=len(quantities), cols=1, shared_xaxes=True, vertical_spacing=0.08)
    layers = len(plan.layers)
    for row, quantity in enumerate(quantities, start=1):
        for layer in range(layers):
            lines = frame[frame["layer"] == layer]
            # Numbers as short texts would not draw; three decimals keep the graph small in the storage.
            figure.add_trace(
                go.Scatter(
                    x=[round(x, 3) for x in lines["epoch"]],
                    y=[round(y, 4) for y in lines[quantity]],
                    name=f"layer {layer}",
                    legendgroup=f"layer {layer}",
                    showlegend=row == 1,
                    line={"color": _colour(layer, layers), "width": 2},
                ),
                row=row,
                col=1,
            )
        figure.update_yaxes(title={"text": f"{quantity} [steps]"}, gridcolor="#eeeeee", row=row, col=1)
    figure.update_xaxes(title={"text": "epoch"}, gridcolor="#eeeeee", row=len(quantities), col=1)
    figure.update_layout(
        template="none",
        font=_FONT,
        title={"text": title},
        margin={"l": 70, "r": 20, "t": 60, "b": 50},
        height=_HEIGHT,
    )
    return figure


def _colour(layer: int, layers: int) -> str:
    """Return a colour between dark blue (first layer) and yellow (last)."""
    return _VIRIDIS[round(layer * (len(_VIRIDIS) - 1) / max(1, layers - 1))]
