"""The picture of `shoal bench --steps --plot`: where an inference goes, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: what matplotlib writes for these endings of a file's name
FORMATS = (".png", ".svg", ".pdf")

_INK, _MUTED, _GRID = "#1f2328", "#6b7280", "#e5e7eb"

#: kind of operator → colour: told apart by people who see no red or green, too
_COLOURS = {
    "conv_2d": "#2f6fb0",
    "depthwise_conv_2d": "#e08214",
    "fully_connected": "#35978f",
    "add": "#8e5ea2",
    "softmax": "#c2a21d",
    "average_pool_2d": "#b2697f",
}
_FUSED, _REST = "#7a4fb5", "#9aa3ad"

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "shoal",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": _INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": _MUTED,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.bottom": False,
    "ytick.color": _INK,
}

#: inches: the figure's width, a step's row, what is above and below the rows
_WIDTH, _ROW, _TOP, _BOTTOM = 11.0, 0.27, 1.9, 0.3

#: shares below this get no name inside of the strip
_NAMED = 0.06

#: letters of a step's name that are shown
_NAME = 27


def unit(document: Mapping[str, Any]) -> str | None:
    """What this node counts of a step: instructions, cycles, or nothing."""
    steps = document["latency"]["steps"]
    return next((u for u in ("instructions", "cycles") if steps and steps[0][u] is not None), None)


def of_profile(document: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """One board of a profile, as `save` takes a result of `shoal bench`: its operators for steps."""
    told = document["operators"]
    steps = [
        {
            "index": o["operator"],
            "operators": [told[o["operator"]]["kind"]],
            "name": told[o["operator"]]["name"],
            "macs": told[o["operator"]]["macs"],
            "instructions": o["instructions"],
            "cycles": o["cycles"],
        }
        for o in part["operators"]
    ]
    counted = next(u for u in ("instructions", "cycles") if steps[0][u] is not None)
    latency = {"steps": steps, counted: sum(s[counted] for s in steps)}
    return {"model": document["model"], "board": part["board"], "source": part["source"], "latency": latency}


def save(document: Mapping[str, Any], path: Path) -> None:
    """Draws the steps of a result of `shoal bench`, which has a `unit`, into a file of one of the `FORMATS`."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from shoal.report.plots import reproducible

    counted, steps = unit(document), document["latency"]["steps"]
    assert counted is not None
    costs, macs = [s[counted] for s in steps], [s["macs"] for s in steps]
    colours = [_colour(s["operators"]) for s in steps]
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # stubs want literal names
        height = _TOP + _ROW * len(steps) + _BOTTOM
        figure = Figure(figsize=(_WIDTH, height))
        figure.subplots_adjust(left=0.235, right=0.985, top=1 - _TOP / height, bottom=_BOTTOM / height, wspace=0.1)
        rows = figure.subplots(1, 3, sharey=True, width_ratios=(5, 3, 3))
        _headline(figure, document, counted, height)
        _strip(figure.add_axes((0.02, 1 - 1.22 / height, 0.96, 0.28 / height)), steps, costs)
        _bars(rows[0], f"{counted} of each step, alone", costs, colours, [_share(c, sum(costs)) for c in costs])
        _bars(rows[1], "MACs", macs, colours, [_short(m) for m in macs], alpha=0.45)
        _ratios(rows[2], f"{counted} per MAC", costs, macs, colours)
        rows[0].set_yticks(range(len(steps)), [_label(s) for s in steps])
        rows[0].set_ylim(len(steps) - 0.4, -0.6)
        figure.savefig(path, dpi=150, facecolor="white", metadata=reproducible(path))


def _headline(figure: Any, document: Mapping[str, Any], counted: str, height: float) -> None:
    total = document["latency"][counted]
    macs = sum(s["macs"] for s in document["latency"]["steps"])
    per_mac = f", {total / macs:.2f} for each of {_short(macs)} MACs" if macs else ""
    figure.text(0.02, 1 - 0.3 / height, document["model"], fontsize=14, weight="bold", va="center")
    where = f"{total:,} {counted}{per_mac}  ·  {document['board']}, {document['source']}"
    figure.text(0.02, 1 - 0.62 / height, where, color=_MUTED, va="center")


def _strip(ax: Axes, steps: Sequence[Mapping[str, Any]], costs: Sequence[int]) -> None:
    """The whole inference as one bar, by kinds of operators: the legend, too."""
    sums: dict[str, int] = {}
    for step, cost in zip(steps, costs, strict=True):
        kind = _kind(step["operators"])
        sums[kind] = sums.get(kind, 0) + cost
    total, left, unnamed = sum(costs), 0.0, []
    for kind, cost in sorted(sums.items(), key=lambda item: -item[1]):
        share = cost / max(total, 1)
        colour = _colour(kind.split("+"))
        ax.barh(0, share, left=left, color=colour, edgecolor="white", linewidth=1)
        if share >= _NAMED + 0.006 * len(kind):
            ax.text(
                left + share / 2,
                0,
                f"{kind}  {_share(cost, total)}",
                color="white",
                ha="center",
                va="center",
                fontsize=9,
            )
        else:
            unnamed.append((f"{kind} {_share(cost, total)}", colour))
        left += share
    ax.set_xlim(0, 1)
    ax.set_axis_off()
    at = 1.0
    for text, colour in reversed(unnamed):
        ax.text(at, -1.05, text, color=colour, ha="right", va="center", fontsize=8.5, transform=ax.transData)
        at -= 0.0068 * len(text) + 0.012


def _bars(
    ax: Axes, title: str, values: Sequence[int], colours: Sequence[str], texts: Sequence[str], alpha: float = 1.0
) -> None:
    most = max([*values, 1])
    ax.barh(range(len(values)), values, height=0.7, color=colours, alpha=alpha)
    for y, (value, text) in enumerate(zip(values, texts, strict=True)):
        ax.text(value + most * 0.015, y, text, va="center", fontsize=8.5, color=_MUTED)
    _bare(ax, title, most * 1.17)


def _ratios(ax: Axes, title: str, costs: Sequence[int], macs: Sequence[int], colours: Sequence[str]) -> None:
    """A dot for each step that multiplies, and a line at the whole inference's."""
    ratios = [c / m if m else None for c, m in zip(costs, macs, strict=True)]
    most = max([r for r in ratios if r is not None], default=1.0)
    for y, (ratio, colour) in enumerate(zip(ratios, colours, strict=True)):
        if ratio is None:
            ax.text(most * 0.015, y, "–", va="center", fontsize=8.5, color=_MUTED)
            continue
        ax.plot([0, ratio], [y, y], color=colour, linewidth=1.4, alpha=0.45)
        ax.plot([ratio], [y], "o", color=colour, markersize=5.5)
        text = ax.text(ratio + most * 0.04, y, f"{ratio:.2f}", va="center", fontsize=8.5, color=_MUTED)
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    if any(macs):
        whole = sum(costs) / sum(macs)
        ax.axvline(whole, color=_MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=0)
        ax.text(whole, len(macs) - 0.35, f"all {whole:.2f}", ha="center", va="top", fontsize=8.5, color=_MUTED)
    _bare(ax, title, most * 1.17)


def _bare(ax: Axes, title: str, right: float) -> None:
    ax.set_title(title, pad=7)
    ax.set_xlim(0, right)
    ax.xaxis.set_visible(False)
    ax.tick_params(axis="y", length=0)


def _kind(operators: Sequence[str]) -> str:
    return "+".join(dict.fromkeys(operators))


def _colour(operators: Sequence[str]) -> str:
    kinds = set(operators)
    return _COLOURS.get(next(iter(kinds)), _REST) if len(kinds) == 1 else _FUSED


def _label(step: Mapping[str, Any]) -> str:
    name = step["name"].split(";")[0]
    return f"{name if len(name) <= _NAME else '…' + name[1 - _NAME :]}   {step['index']:>2}"


def _share(value: int, total: int) -> str:
    share = 100 * value / max(total, 1)
    return f"{share:.0f} %" if share >= 9.95 else f"{share:.1f} %" if share >= 0.05 else "< 0.1 %"


def _short(value: int) -> str:
    """1,234,567 as `1.23 M`; nothing as a dash."""
    if value == 0:
        return "–"
    for limit, unit_ in ((1_000_000, " M"), (1_000, " k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit_}"
    return str(value)
