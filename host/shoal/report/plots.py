"""Plots as SVG that lives inside a page: its text is text, its colours are the page's, light or dark.

matplotlib knows no CSS, so it draws in stand-in colours that are replaced by the page's variables afterwards."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

#: stand-in colour → CSS variable of the page
_SERIES = [f"#a1b2c{i}" for i in range(6)]
_INK, _MUTED, _GRID = "#a1b2d0", "#a1b2d1", "#a1b2d2"
_VARIABLES = {c: f"var(--series-{i})" for i, c in enumerate(_SERIES)} | {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _GRID: "var(--grid)",
}

#: points: a plot is drawn at the width of the page's column
_WIDTH = 1000

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "shoal",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": _INK,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "grid.color": _GRID,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
}


def _plot(draw: Callable[P, Figure]) -> Callable[P, str]:
    """Draws in our style; the figure as SVG."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
        import matplotlib as mpl

        with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # stubs want literal names
            return _svg(draw(*args, **kwargs))

    return drawn


@_plot
def boards(rows: Sequence[Mapping[str, Any]], panels: Sequence[Mapping[str, Any]]) -> Figure:
    """Horizontal bars, one row per result, one panel per figure. `rows`: `{label}`. A panel: `{title, parts}`, where
    `parts` is a list of (name or None, values per row, None where there is none), stacked, and `texts` per row."""
    lines = 0.42 * len(rows)
    figure, axes = _figure(len(panels), 1, 0.95 * len(panels) + lines * len(panels))
    for ax, panel in zip(axes, panels, strict=True):
        _bars(ax, [r["label"] for r in rows], panel)
    return figure


def _bars(ax: Axes, labels: Sequence[str], panel: Mapping[str, Any]) -> None:
    ends = [0.0] * len(labels)
    for i, (name, values) in enumerate(panel["parts"]):
        known = [v or 0 for v in values]
        ax.barh(range(len(labels)), known, left=ends, height=0.62, color=_SERIES[i], label=name)
        ends = [a + b for a, b in zip(ends, known, strict=True)]
    most = max([*ends, 1e-9])
    for y, (end, text) in enumerate(zip(ends, panel["texts"], strict=True)):
        ax.text(end + most * 0.012, y, text, va="center", ha="left", fontsize=10.5)
    ax.set_yticks(range(len(labels)), labels)
    ax.tick_params(axis="y", length=0, labelcolor=_INK)
    ax.invert_yaxis()
    # the right part of every panel is for the text at the bars' ends
    ax.set_xlim(0, most / 0.66)
    ax.xaxis.set_visible(False)
    ax.spines["bottom"].set_visible(False)
    ax.set_title(panel["title"])
    if len(panel["parts"]) > 1:
        ax.legend(ncols=len(panel["parts"]), loc="lower right", bbox_to_anchor=(1, 0.98), borderaxespad=0, fontsize=10)


@_plot
def memory(series: Sequence[Mapping[str, Any]], steps: Sequence[str]) -> Figure:
    """The arena's use over the steps. A series: `{label, bytes}` with one figure per step."""
    figure, (ax,) = _figure(1, 1, 3.6)
    for i, one in enumerate(series):
        edges = [x - 0.5 for x in range(len(one["bytes"]) + 1)]
        kilobytes = [b / 1000 for b in one["bytes"]]
        colour = _SERIES[i % len(_SERIES)]
        ax.stairs(kilobytes, edges, fill=True, color=colour, alpha=0.08 if len(series) > 1 else 0.2)
        ax.stairs(kilobytes, edges, color=colour, linewidth=2, label=one["label"], linestyle=_DASHES[i % len(_DASHES)])
    ax.set_ylabel("arena in use, KB")
    ax.set_ylim(bottom=0)
    ax.margins(x=0)
    ax.grid(axis="y")
    if len(steps) <= 48:
        ax.set_xticks(range(len(steps)), steps, rotation=55, ha="right", rotation_mode="anchor", fontsize=9.5)
    else:
        ax.set_xlabel("step")
    ax.legend(loc="upper right", bbox_to_anchor=(1, 1.02), ncols=min(3, len(series)))
    # room for the legend above the highest step
    ax.set_ylim(top=max(max(s["bytes"]) for s in series) / 1000 * (1.12 + 0.1 * ((len(series) + 2) // 3)))
    return figure


@_plot
def curve(points: Sequence[tuple[int, int]], bound: int) -> Figure:
    """RAM against instructions: (arena in bytes, instructions) from the smallest plan to the fastest; the bound in
    bytes."""
    from matplotlib.ticker import EngFormatter

    figure, (ax,) = _figure(1, 1, 4.2)
    kilobytes = [arena / 1000 for arena, _ in points]
    instructions = [n for _, n in points]
    ax.step(kilobytes, instructions, where="post", color=_SERIES[0], linewidth=1.2, alpha=0.6)
    ax.plot(kilobytes, instructions, "o", color=_SERIES[0], markersize=5, label="plans")
    ax.axvline(bound / 1000, color=_SERIES[1], linewidth=1.5, linestyle=_DASHES[1], label="bound: least live bytes")
    ax.set_xlabel("arena, KB")
    ax.set_ylabel("instructions of one inference, predicted")
    ax.yaxis.set_major_formatter(EngFormatter(sep=" "))
    ax.set_xlim(0, 1.05 * max(kilobytes))
    ax.set_ylim(0, 1.25 * max(instructions))
    ax.grid()
    ax.legend(loc="upper right")
    return figure


#: lines that lie on each other stay visible, and are told apart without colours
_DASHES: list[Any] = ["-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2))]


@_plot
def cost(panels: Sequence[Mapping[str, Any]], steps: Sequence[str]) -> Figure:
    """What each step costs, one panel per result: `{title, unit, values}`."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = _figure(rows, columns, rows * (0.7 + 0.21 * len(steps)), sharey=True)
    for i, (ax, panel) in enumerate(zip(axes, panels, strict=False)):
        values = panel["values"]
        most = max([*values, 1e-9])
        total = sum(values) or 1
        ax.barh(range(len(values)), values, height=0.68, color=_SERIES[i % len(_SERIES)])
        for y, value in enumerate(values):
            ax.text(value + most * 0.02, y, f"{100 * value / total:.1f} %", va="center", fontsize=9, color=_MUTED)
        ax.set_xlim(0, most * 1.24)
        ax.set_title(panel["title"])
        ax.set_xlabel(panel["unit"])
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.xaxis.set_major_formatter(EngFormatter(sep=" "))
        ax.grid(axis="x")
        ax.tick_params(axis="y", length=0, labelcolor=_INK)
        ax.set_yticks(range(len(steps)), steps, fontsize=10)
        ax.margins(y=0.01)
    axes[0].invert_yaxis()
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    return figure


@_plot
def timeline(shown: Mapping[str, Any]) -> Figure:
    """Who does what when: the member `timeline` of a shoal's bench."""
    from shoal.report import gantt

    return gantt.draw(shown, gantt.Colours(_INK, _MUTED, _GRID, _SERIES), width=_WIDTH / 72)


def _figure(rows: int, columns: int, height: float, **settings: Any) -> tuple[Figure, list[Axes]]:
    """A figure that needs no display, and its axes row by row. `height` in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(_WIDTH / 72, height), layout=ConstrainedLayoutEngine(hspace=0.06))
    axes = figure.subplots(rows, columns, squeeze=False, **settings)
    return figure, list(axes.flat)


def reproducible(path: Path) -> dict[str, Any]:
    """matplotlib's metadata for a file without a date: the same figures give the same bytes."""
    return {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower(), {})


def _svg(figure: Figure) -> str:
    """The figure as an element to put into HTML; ids are made unique by a digest of the whole."""
    import hashlib

    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" ', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*" ', r"<svg \1", text, count=1)
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, variable)
    # the page's own font: matplotlib's is wider, so nothing that fitted can overlap
    text = re.sub(r'font-family: [^;"]*', "font-family: var(--font)", text)
    prefix = "p" + hashlib.sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'(href="#|url\(#)([^")]+)', rf"\1{prefix}-\2", text)
    return text.strip()
