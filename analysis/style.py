"""The look of every figure: one place for colours, sizes and how a figure is saved."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

__all__ = ["COLOURS", "PALETTE", "SEQUENTIAL", "colour_of", "new_figure", "save_figure", "styled"]

# Okabe and Ito's colours, told apart with any colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000")
COLOURS: Mapping[str, str] = {
    "synchronisation": "#0072B2",
    "shape": "#D55E00",
    "schedule": "#009E73",
    "strategy": "#CC79A7",
    "quantiser": "#56B4E9",
    "training": "#E69F00",
    "both": "#009E73",
    "neither": "#7F7F7F",
    "interaction": "#8A5A83",
    "noise": "#595959",
    "seed": "#595959",
    "unexplained": "#9C9C9C",
}
OTHERS = ("#000000", "#009E73", "#CC79A7", "#E69F00")
SEQUENTIAL = "viridis"
WIDTH = 7.2
DPI = 160

SETTINGS: Mapping[str, object] = {
    **sns.axes_style("whitegrid"),
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.title_fontsize": 9.0,
    "legend.frameon": False,
    "axes.edgecolor": "#4D4D4D",
    "axes.labelcolor": "#1A1A1A",
    "text.color": "#1A1A1A",
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "axes.prop_cycle": cycler(color=PALETTE),
    "svg.fonttype": "path",
    "svg.hashsalt": "ana-search",
    "figure.constrained_layout.use": True,
}


def styled() -> AbstractContextManager[None]:
    """Return the context in which figures are made and saved."""
    settings: Any = SETTINGS  # the stubs want a literal of matplotlib's keys
    return mpl.rc_context(settings)


def colour_of(name: str, others: Sequence[str] = ()) -> str:
    """Return a group's colour: its own, or one of those for other names."""
    if name in COLOURS:
        return COLOURS[name]
    rest = sorted({other for other in others if other not in COLOURS})
    return OTHERS[rest.index(name) % len(OTHERS)] if name in rest else PALETTE[-2]


def new_figure(height: float, columns: int = 1, width: float = WIDTH, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of `width` x `height` inches with `columns` axes side by side.

    No window system and no global state: figures can be drawn in any thread.
    """
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns, squeeze=False, **options)
    return figure, list(axes.flat)


def save_figure(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write ``name.png`` and ``name.svg`` (letters as paths: no font is needed to show them)."""
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    with styled():
        figure.savefig(png, dpi=DPI, metadata={"Software": None})
        figure.savefig(svg, metadata={"Date": None})
    return png, svg


def grid_figure(panels: int, columns: int, height: float, width: float = WIDTH) -> tuple[Figure, list[Axes]]:
    """Return a figure of `panels` axes in rows of `columns`, each row `height` inches high, with equal scales."""
    rows = -(-panels // columns)
    figure = Figure(figsize=(width, 0.7 + height * rows))
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for spare in list(axes.flat)[panels:]:
        spare.remove()
    for axis in list(axes.flat)[:panels]:
        axis.tick_params(labelbottom=True, labelleft=True)
    return figure, list(axes.flat)[:panels]


def layer_palette(layers: int) -> dict[int, Any]:
    """Return a colour per layer, the one nearest the input darkest."""
    return dict(enumerate(sns.color_palette(SEQUENTIAL, layers + 1)[:layers]))


def layer_legend(figure: Figure, colours: Mapping[int, Any]) -> None:
    """Put the layers' legend below the axes; of many layers only some are named."""
    step = max(1, -(-len(colours) // 10))
    handles = [Line2D([], [], color=colours[k], label=str(k)) for k in list(colours)[::step]]
    figure.legend(handles=handles, loc="outside lower center", ncol=len(handles), title="layer (0: at the input)")
