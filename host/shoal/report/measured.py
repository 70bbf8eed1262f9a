"""What `shoal bench` measured, for the terminal: every figure says whether it was counted, measured or estimated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shoal.report.analysis import bar

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

#: cells of the bar that shows a step's share
_BAR = 20


def measured(document: Mapping[str, Any]) -> list[RenderableType]:
    """The figures of one inference, and a table of its steps where they were measured."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    title = f"{document['model']} on {document['node']} ({document['board']}, {document['source']})"
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for name, value, remark in _figures(document):
        table.add_row(name, value, escape(remark))
    steps = document["latency"]["steps"]
    return [table, _steps(steps)] if steps else [table]


def _figures(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    yield from _latency(document["latency"], document["clock_hz"])
    yield from _traffic(document["traffic"])
    ram, flash, energy = document["ram"], document["flash"], document["energy"]
    if ram["total_bytes"] is None:
        yield "arena", _bytes(ram["arena_bytes"]), "the node tells nothing of the board's stack and static data"
    else:
        parts = f"arena {ram['arena_bytes']:,} + static {ram['static_bytes']:,} + stack {ram['stack_total_bytes']:,}"
        yield "RAM", _bytes(ram["total_bytes"]), f"{parts} ({ram['stack_bytes']:,} of it below the model's call)"
    if flash["total_bytes"] is None:
        yield "weights", _bytes(flash["weights_bytes"]), ""
    else:
        code = flash["code_bytes"] or 0
        rest = flash["total_bytes"] - flash["weights_bytes"] - code
        parts = f"weights {flash['weights_bytes']:,} + code of the model {code:,} + harness {rest:,}"
        yield "flash", _bytes(flash["total_bytes"]), parts
    if energy and energy["microjoules"] is not None:
        yield "energy", f"{energy['microjoules']:,.{0 if energy['meter'] is None else 1}f} µJ", _drawn(energy)
    verdict = {True: "[green]equal[/]", False: "[red bold]different[/]", None: "[yellow]not checked[/]"}
    yield "bytes", verdict[document["exact"]], document["exact_reason"] or "TensorFlow Lite Micro's"


def _drawn(energy: Mapping[str, Any]) -> str:
    if energy["meter"] is None:
        return "estimated: the board's typical current by its file"
    currents = f"{energy['current_milliamperes']:,.3f} mA, idle {energy['idle_milliamperes']:,.3f} mA"
    return (
        f"measured by {energy['meter']}, above idle: {currents}, trigger pin up {energy['window_milliseconds']:,.2f} ms"
    )


def _latency(latency: Mapping[str, Any], clock_hz: int | None) -> Iterator[tuple[str, str, str]]:
    if latency["instructions"] is not None:
        yield "instructions", f"{latency['instructions']:,}", "counted, exact"
    if latency["cycles"] is not None:
        yield "cycles", f"{latency['cycles']:,}", "measured"
    if latency["milliseconds"] is not None:
        yield "time", f"{latency['milliseconds']:,.3f} ms", f"measured{_at(clock_hz)}"
    if latency["cycles_estimated"] is not None:
        yield "cycles", f"≈ {latency['cycles_estimated']:,}", f"estimated: {latency['assumption']}"
    if latency["milliseconds_estimated"] is not None:
        why = "" if latency["cycles_estimated"] is not None else f": {latency['assumption']}"
        yield "time", f"≈ {latency['milliseconds_estimated']:,.2f} ms", f"estimated{_at(clock_hz)}{why}"


def _traffic(traffic: Mapping[str, Any] | None) -> Iterator[tuple[str, str, str]]:
    """What comes and goes while the model runs, and how long that takes."""
    if traffic is None:
        return
    if traffic["store_pages"]:
        where = "mapped store" if traffic["mapped"] else "store, over the link"
        yield "store", _bytes(traffic["store_bytes"]), f"in {traffic['store_pages']} pages of the {where}, each run"
        if traffic["ahead_bytes"] is not None:
            yield "of it ahead", _bytes(traffic["ahead_bytes"]), "had come while the model computed"
    for way, what in (("in", "input"), ("out", "output")):
        if traffic[f"rows_{way}_bytes"]:
            yield f"rows {way}", _bytes(traffic[f"rows_{way}_bytes"]), f"of the {what}, over the link, each run"
    if traffic["milliseconds"] is not None:
        measured = traffic["source"] == "board"
        remark = "measured, beside the model's own time" if measured else f"model: {traffic['assumption']}"
        yield "their time", f"{'' if measured else '≈ '}{traffic['milliseconds']:,.1f} ms", remark


def _at(clock_hz: int | None) -> str:
    return f" at {clock_hz / 1e6:g} MHz" if clock_hz else ""


def _bytes(value: int) -> str:
    return f"{value:,} B"


def _steps(steps: Sequence[Mapping[str, Any]]) -> Table:
    """What each step takes; the bar is its share of the figure that this node measures."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    unit = next((u for u in ("instructions", "cycles") if steps[0][u] is not None), None)
    total = sum(s[unit] for s in steps) if unit else 0
    most = max((s[unit] for s in steps), default=0) if unit else 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("step", justify="right")
    table.add_column("operator", footer="all, each alone")
    table.add_column("name", overflow="ellipsis", no_wrap=True, max_width=36)
    if unit:
        table.add_column(unit, justify="right", footer=f"{total:,}")
        table.add_column("share", width=_BAR + 5)
        table.add_column("per MAC", justify="right")
    table.add_column("MACs", justify="right", footer=f"{sum(s['macs'] for s in steps):,}")
    table.add_column("arena B", justify="right", footer=f"{max(s['arena_bytes'] for s in steps):,}")
    table.add_column("code B", justify="right")
    for s in steps:
        cells = [str(s["index"]), "+".join(s["operators"]), escape(s["name"].split(";")[0])]
        if unit:
            cells += [
                f"{s[unit]:,}",
                f"[cyan]{bar(s[unit], most, _BAR)}[/]{s[unit] / max(total, 1):5.0%}",
                f"{s[unit] / s['macs']:.2f}" if s["macs"] else "–",
            ]
        code = "–" if s["code_bytes"] is None else f"{s['code_bytes']:,}"
        table.add_row(*cells, f"{s['macs']:,}" if s["macs"] else "–", f"{s['arena_bytes']:,}", code)
    return table
