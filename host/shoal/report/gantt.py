"""Who does what when: nodes that compute and wires that carry, one below the other in the order of the network.

Drawn from the member `timeline` of `shoal bench` of a shoal, for a page or as a file of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: what matplotlib writes for these endings of a file's name
FORMATS = (".png", ".svg", ".pdf")

#: answers that are shown once the pipeline is full
_SHOWN = 7

#: inches: a node's lane, a wire's, what is above and below them all
_NODE, _WIRE, _ABOVE, _BELOW = 0.52, 0.40, 1.0, 0.55

_LEGEND = "a number and colour for each input  ·  wires: one way above, the other below, answers to frames pale"

#: share of the width below which a bar gets no number
_NAMED = 0.014

#: and the least width of a bar, so that what takes no time is seen, too
_THINNEST = 0.0015


@dataclass(frozen=True)
class Colours:
    """`series`: of inferences, one after the other."""

    ink: str
    muted: str
    grid: str
    series: Sequence[str]


_ON_PAPER = Colours("#1f2328", "#6b7280", "#e5e7eb", ("#2f6fb0", "#e08214", "#35978f", "#8e5ea2", "#c2a21d", "#b2697f"))


def save(document: Mapping[str, Any], path: Path) -> None:
    """Draws a document of `shoal bench` of a shoal into a file of one of the FORMATS; the same one gives the same
    bytes."""
    import matplotlib as mpl

    from shoal.report.plots import reproducible

    c = _ON_PAPER
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "shoal",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": c.ink,
        "axes.labelcolor": c.muted,
        "xtick.color": c.muted,
        "ytick.color": c.ink,
        "axes.edgecolor": c.grid,
    }
    with mpl.rc_context(style):  # type: ignore[arg-type]  # stubs want literal names
        figure = draw(document["timeline"], c, width=12.5, title=_title(document))
        figure.savefig(path, dpi=150, facecolor="white", metadata=reproducible(path))


def _title(document: Mapping[str, Any]) -> tuple[str, str]:
    latency, throughput = document["latency"], document["throughput"]
    per_second = throughput["per_second_estimated"]
    return (
        f"{document['model']} over {len(document['nodes'])} nodes, {document['topology']}",
        f"{per_second:,.3g} answers a second with {document['timeline']['in_flight']} inputs under way, "
        f"{latency['milliseconds_estimated']:,.0f} ms for one alone  ·  counted compute, modelled wires: model",
    )


def draw(timeline: Mapping[str, Any], colours: Colours, width: float, title: tuple[str, str] | None = None) -> Figure:
    """The figure, `width` inches wide; `title`: a headline and a line below it."""
    from matplotlib.figure import Figure

    lanes = _ordered(timeline["lanes"])
    heights = [_NODE if lane["kind"] == "node" else _WIRE for lane in lanes]
    above = _ABOVE if title else 0.42
    height = above + sum(heights) + _BELOW
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    left, right = 2.15 / width, 1 - 0.85 / width
    ax.set_position((left, _BELOW / height, right - left, sum(heights) / height))
    shown = _until(timeline)
    scale, unit = (1000.0, "s") if shown >= 2000 else (1.0, "ms")
    tops = [sum(heights[:i]) for i in range(len(lanes))]
    ax.set_xlim(0, shown / scale)
    ax.set_ylim(sum(heights), 0)
    per_lane: dict[str, list[Mapping[str, Any]]] = {}
    for span in timeline["spans"]:
        per_lane.setdefault(span["lane"], []).append(span)
    for lane, top, tall in zip(lanes, tops, heights, strict=True):
        spans = per_lane.get(lane["name"], [])
        _lane(ax, lane, spans, top, tall, shown / scale, scale, colours)
        _name(ax, lane, top + tall / 2, colours)
        busy = _busy(spans, timeline)
        if busy is not None:
            ax.text(1.012, top + tall / 2, f"{100 * busy:.0f} %", transform=ax.get_yaxis_transform(), va="center",
                    color=colours.muted, fontsize=9.5)  # fmt: skip
    _answers(ax, timeline, shown, scale, colours)
    ax.text(1.012, -0.12, "busy", transform=ax.get_yaxis_transform(), va="bottom", color=colours.muted, fontsize=9)
    figure.text(left, 0.14 / height, _LEGEND, color=colours.muted, fontsize=9, va="center")
    ax.set_yticks([])
    ax.set_xlabel(f"{unit}, model", loc="right")
    ax.tick_params(axis="x", length=0)
    ax.grid(axis="x", color=colours.grid, linewidth=0.8)
    ax.set_axisbelow(True)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if title:
        figure.text(0.25 / width, 1 - 0.3 / height, title[0], fontsize=14, weight="bold", va="center")
        figure.text(0.25 / width, 1 - 0.58 / height, title[1], color=colours.muted, va="center")
    return figure


def _ordered(lanes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each node below the wire that comes to it: along a chain, from the hub to the hub; in a star, wire by node. Ends
    of wires from above to below."""
    wires = [lane for lane in lanes if lane["kind"] == "wire"]
    nodes = [lane for lane in lanes if lane["kind"] == "node"]
    ordered: list[Mapping[str, Any]] = []
    above = set[str]()
    for node in nodes:
        name = node["name"]
        mine = [w for w in wires if name in w["ends"]]
        before = [w for w in mine if above & set(w["ends"])] or [w for w in mine if "hub" in w["ends"]][:1]
        ordered += [_directed(w, last=name) for w in before]
        ordered.append(node)
        wires = [w for w in wires if w not in before]
        above.add(name)
    return ordered + [_directed(w, last="hub") for w in wires]


def _directed(wire: Mapping[str, Any], last: str) -> Mapping[str, Any]:
    return {**wire, "ends": sorted(wire["ends"], key=lambda end: end == last)}


def _until(timeline: Mapping[str, Any]) -> float:
    """Milliseconds that are shown: filling, and some answers more."""
    answered = timeline["answered"]
    return float(answered[min(timeline["filling"] + _SHOWN, len(answered)) - 1]) * 1.015


def _lane(
    ax: Axes,
    lane: Mapping[str, Any],
    spans: Sequence[Mapping[str, Any]],
    top: float,
    tall: float,
    shown: float,
    scale: float,
    colours: Colours,
) -> None:
    node = lane["kind"] == "node"
    if node:
        ax.barh(top + tall / 2, shown, height=tall * 0.66, color=colours.grid, alpha=0.55)
    for span in spans:
        start, end = span["start"] / scale, min(span["end"] / scale, shown)
        if start >= shown:
            continue
        colour = colours.series[span["input"] % len(colours.series)]
        if node:
            ax.barh(top + tall / 2, max(end - start, _THINNEST * shown), left=start, height=tall * 0.66, color=colour)
            if end - start > _NAMED * shown:
                ax.text((start + end) / 2, top + tall / 2, str(span["input"] + 1), color="white", ha="center",
                        va="center", fontsize=9, weight="bold", clip_on=True)  # fmt: skip
        else:
            # downstream above, upstream below
            down = span["from"] == lane["ends"][0]
            middle = top + tall * (0.36 if down else 0.64)
            strong = span["kind"] == "transfer"
            ax.barh(middle, end - start, left=start, height=tall * (0.22 if strong else 0.1), color=colour,
                    alpha=1.0 if strong else 0.45)  # fmt: skip


def _name(ax: Axes, lane: Mapping[str, Any], middle: float, colours: Colours) -> None:
    at: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "ha": "right", "va": "center"}
    if lane["kind"] == "node":
        ax.text(-0.012, middle, lane["name"], weight="bold", **at)
    else:
        ax.text(-0.012, middle, f"{lane['ends'][0]} – {lane['ends'][1]}", color=colours.muted, fontsize=9, **at)


def _busy(spans: Sequence[Mapping[str, Any]], timeline: Mapping[str, Any]) -> float | None:
    """The share of the time that a node computes, or the busier way of a wire carries, once the pipeline is full."""
    answered, filling = timeline["answered"], timeline["filling"]
    if len(answered) <= filling:
        return None
    first, last = answered[filling - 1], answered[-1]
    ways: dict[str | None, float] = {}
    for span in spans:
        inside = min(span["end"], last) - max(span["start"], first)
        if inside > 0 and span["kind"] != "answer":
            ways[span["from"]] = ways.get(span["from"], 0.0) + inside
    return float(min(max(ways.values(), default=0.0) / (last - first), 1.0))


def _answers(ax: Axes, timeline: Mapping[str, Any], shown: float, scale: float, colours: Colours) -> None:
    for number, at in enumerate(timeline["answered"]):
        if at > shown:
            break
        colour = colours.series[number % len(colours.series)]
        ax.plot([at / scale], [-0.02], marker="v", color=colour, markersize=6, clip_on=False)
    first = timeline["answered"][0] / scale
    ax.text(first - 0.008 * shown / scale, -0.04, "answers", color=colours.muted, fontsize=9, ha="right", va="center")
