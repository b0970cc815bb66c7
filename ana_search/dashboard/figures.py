"""The figures on the dashboard's pages, as Plotly graphs, from the numbers and in the colours of the report's."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import to_hex
from plotly.subplots import make_subplots

from ana_search.plan import TrainingPlan
from ana_search.shares import shares_by_name
from ana_search.verdict_file import VerdictDocument
from analysis.figures.schedules import distinct_curves, layers_name, schedule_frame
from analysis.style import PALETTE, colour_of, layer_palette
from analysis.verdict import DELTA

__all__ = ["Curve", "attribution_figure", "curves_figure", "schedule_figure"]

Curve = dict[int, float]
"""The validation accuracy of a trial (a fraction) by epoch."""

_HEIGHT = 440  # pixels that the dashboard's page gives a graph
_INK = "#333333"
_GREY = "#8C8C8C"
_FONT = {"family": "DejaVu Sans, Verdana, sans-serif", "size": 13, "color": _INK}
_BEST = 8  # trials with a curve of their own; the palette has eight colours
_MOST_POINTS = 100  # points of one curve, so that the graph, which lies in the storage, stays small


def attribution_figure(attribution: VerdictDocument) -> go.Figure:
    """Return a dot with its interval for the share of every group, the interaction and the rest.

    ``attribution`` is verdict.json. The dotted line is the share below which a group does not matter.
    """
    known = shares_by_name(attribution)
    level = f"{attribution.get('level', 0.95):.0%}"
    figure = go.Figure()
    for name, row in known.items():
        share = 100 * row.share
        low, high = (abs(100 * end - share) if end is not None else 0.0 for end in (row.ci_low, row.ci_high))
        colour = colour_of({"seed alone": "seed"}.get(name, name), list(known))
        figure.add_trace(
            go.Scatter(
                x=[share],
                y=[name],
                mode="markers",
                marker={"size": 12, "color": colour},
                error_x={"type": "data", "symmetric": False, "array": [high], "arrayminus": [low], "color": colour},
                hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
            )
        )
    delta = 100 * (attribution.get("thresholds") or {}).get("delta", DELTA)
    figure.add_vline(x=delta, line={"dash": "dot", "color": "#888888"})
    figure.update_layout(
        template="none",
        font=_FONT,
        title=_title(f"Shares of the variance: {attribution['verdict']}"),
        xaxis={"title": {"text": f"share (%), {level} interval"}, "range": [-2, 102], "gridcolor": "#eeeeee"},
        yaxis={"autorange": "reversed", "automargin": True},
        margin={"l": 130, "r": 20, "t": 60, "b": 50},
        height=_HEIGHT,
        showlegend=False,
    )
    return figure


def schedule_figure(plan: TrainingPlan, title: str) -> go.Figure:
    """Return each layer's forward spread and mean over training; layers that agree share one line."""
    frame = schedule_frame(plan, points=101)
    frame = frame[(frame["part"] == "weights") & (frame["direction"] == "forward")]
    quantities = [name for name in ("spread", "mean") if frame[name].abs().max() > 0] or ["spread"]
    figure = make_subplots(rows=len(quantities), cols=1, shared_xaxes=True, vertical_spacing=0.08)
    colours = layer_palette(len(plan.layers))
    for row, quantity in enumerate(quantities, start=1):
        for curve in distinct_curves(frame, quantity):
            # Three decimals are enough to draw, and keep the graph small, which lies in the storage.
            figure.add_trace(
                go.Scatter(
                    x=[round(x, 3) for x in curve.epochs],
                    y=[round(y, 4) for y in curve.values],
                    name=layers_name(curve.layers),
                    legendgroup=layers_name(curve.layers),
                    showlegend=row == 1,
                    line={"color": to_hex(colours[curve.layers[0]]), "width": 2},
                ),
                row=row,
                col=1,
            )
        figure.update_yaxes(title={"text": f"{quantity} (steps)"}, gridcolor="#eeeeee", row=row, col=1)
    figure.update_xaxes(title={"text": "epoch"}, gridcolor="#eeeeee", row=len(quantities), col=1)
    return figure.update_layout(
        template="none",
        font=_FONT,
        title=_title(title),
        margin={"l": 70, "r": 20, "t": 60, "b": 50},
        height=_HEIGHT,
        showlegend=True,
    )


def curves_figure(curves: Mapping[int, Curve], best: Sequence[int]) -> go.Figure | None:
    """Return the learning curves: validation accuracy over the epochs of the best trials, and the middle of all.

    ``curves`` are those of trials by number, ``best`` the numbers of complete trials, best first. None where no trial
    has more than one epoch.
    """
    curves = {number: curve for number, curve in curves.items() if len(curve) > 1}
    if not curves:
        return None
    figure = go.Figure()
    if len(curves) > 2:
        _add_middle(figure, curves)
    for place, number in enumerate([number for number in best if number in curves][:_BEST]):
        curve = _thinned(curves[number])
        figure.add_trace(
            go.Scatter(
                x=list(curve),
                y=[round(100 * value, 2) for value in curve.values()],
                name=f"trial {number}",
                line={"color": PALETTE[place % len(PALETTE)], "width": 2},
                hovertemplate="epoch %{x}: %{y:.1f} %",
            )
        )
    return figure.update_layout(
        template="none",
        font=_FONT,
        title=_title("Learning curves: the best trials, and the middle of all"),
        xaxis={"title": {"text": "epoch"}, "gridcolor": "#eeeeee"},
        yaxis={"title": {"text": "validation accuracy (%)"}, "gridcolor": "#eeeeee"},
        margin={"l": 70, "r": 20, "t": 60, "b": 50},
        height=_HEIGHT,
        showlegend=True,
    )


def _add_middle(figure: go.Figure, curves: Mapping[int, Curve]) -> None:
    """Add the median of all curves, and the band that holds their middle half."""
    epochs = list(_thinned({epoch: 0.0 for curve in curves.values() for epoch in sorted(curve)}))
    quartiles = np.array(
        [100 * np.quantile([c[e] for c in curves.values() if e in c], [0.25, 0.5, 0.75]) for e in sorted(epochs)]
    ).round(2)
    x = sorted(epochs)
    plain = {"mode": "lines", "hoverinfo": "skip", "legendgroup": "all"}
    low, middle, high = quartiles.T.tolist()
    figure.add_trace(go.Scatter(x=x, y=low, line={"width": 0}, showlegend=False, **plain))
    figure.add_trace(
        go.Scatter(
            x=x, y=high, line={"width": 0}, fill="tonexty", fillcolor="rgba(140,140,140,0.25)",
            name=f"middle half of {len(curves)} trials", **plain,
        )
    )  # fmt: skip
    figure.add_trace(go.Scatter(x=x, y=middle, line={"color": _GREY, "dash": "dot"}, name="median", **plain))


def _thinned(curve: Curve) -> Curve:
    """Return at most so many points of a curve that the storage can keep, the last among them."""
    epochs = sorted(curve)
    step = max(1, -(-len(epochs) // _MOST_POINTS))
    return {epoch: curve[epoch] for epoch in sorted({*epochs[::-step]})}


def _title(text: str) -> dict[str, object]:
    """Return a figure's title, small and on two lines where it has a colon: the dashboard's cards are narrow."""
    return {"text": text.replace(": ", ":<br>", 1), "font": {"size": 14}}
