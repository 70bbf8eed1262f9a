"""What `shoal analyze` found, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

#: cells of the bar that shows a step's use of the arena
_BAR = 24

#: columns for what a step runs; of fused operators that is long
_OPERATORS = 28

_NOTE = """\
Arena and weights are exact; code, static data, stack and instructions are predicted. Spare RAM is what is left beside
the whole stack that is set aside, not only the part in use."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def analysis(document: Mapping[str, Any]) -> list[RenderableType]:
    """The model in a line, its steps, and the boards: which fit, by how much."""
    boards = document["boards"]
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for b in boards:
        alike = repr([(s["kind"], s["arena_bytes"], s["store_bytes"]) for s in b["steps"]])
        groups.setdefault(alike, []).append(b)
    tables: list[RenderableType] = [_headline(document)]
    for members in list(groups.values()) if any(b["named"] for b in boards) else list(groups.values())[:1]:
        tables.append(_steps(members, alone=len(groups) == 1))
        if "candidates" in members[0]["steps"][0]:
            tables.append(_candidates(members[0], alone=len(boards) == 1))
    tables.append(_boards(boards))
    tables += [_parts(b) for b in boards if b["named"] and b["ram"]["parts"][0]["reads"] is not None]
    if document["curve"] is not None:
        tables += _curve(document["curve"])
    return [*tables, _NOTE]


def _headline(document: Mapping[str, Any]) -> str:
    ends = [
        f"{'×'.join(map(str, t['shape'])) or '1'} {t['dtype']}" for t in (*document["inputs"], *document["outputs"])
    ]
    inputs = ", ".join(ends[: len(document["inputs"])])
    outputs = ", ".join(ends[len(document["inputs"]) :])
    return f"[bold]{_plain(document['model'])}[/]: {inputs} → {outputs}, {document['macs']:,} MACs"


def bar(value: int, most: int, cells: int = _BAR) -> str:
    """`value` as a bar that is `cells` long at `most`."""
    whole, part = divmod(round(8 * cells * value / max(most, 1)), 8)
    return ("█" * whole + (_EIGHTHS[part] if part else "")).ljust(cells)


def _steps(members: Sequence[Mapping[str, Any]], *, alone: bool) -> Table:
    from rich import box
    from rich.table import Table

    first = members[0]
    names = ", ".join(b["board"] for b in members[:4]) + (f" and {len(members) - 4} more" if len(members) > 4 else "")
    most = first["ram"]["arena_bytes"]
    table = Table(
        title=None if alone else f"on {names}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_footer=True,
        pad_edge=False,
    )
    steps = first["steps"]
    table.add_column("step", justify="right")
    table.add_column("operator", footer="total", max_width=_OPERATORS, no_wrap=True)
    table.add_column("output", justify="right")
    table.add_column("MACs", justify="right", footer=f"{sum(s['macs'] for s in steps):,}")
    table.add_column("weights B", justify="right", footer=f"{first['flash']['weights_bytes']:,}")
    store = first["store"]
    if store is not None:
        table.add_column("store B", justify="right", footer=f"{store['bytes']:,}")
    copied = sum(s["copied_bytes"] for s in steps)
    if copied:
        table.add_column("copied B", justify="right", footer=f"{copied:,}")
    table.add_column("arena B", justify="right", footer=f"{most:,}")
    table.add_column("arena over time")
    for s in steps:
        table.add_row(
            str(s["index"]),
            "+".join(s["operators"]),
            "×".join(map(str, s["shape"])),
            f"{s['macs']:,}" if s["macs"] else "–",
            f"{s['weights_bytes']:,}" if s["weights_bytes"] else "–",
            *([f"{s['store_bytes']:,}" if s["store_bytes"] else "–"] if store is not None else []),
            *([f"{s['copied_bytes']:,}" if s["copied_bytes"] else "–"] if copied else []),
            f"{s['arena_bytes']:,}",
            f"[cyan]{bar(s['arena_bytes'], most)}[/]",
        )
    return table


def _candidates(board: Mapping[str, Any], *, alone: bool) -> Table:
    """Per step the kernels that could run it, the fastest first, the chosen one marked."""
    from rich import box
    from rich.table import Table

    title = "kernels that could run each step" + ("" if alone else f" on {_plain(board['board'])}")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", justify="right")
    table.add_column("operator")
    table.add_column("kernel")
    for name in ("instructions", "code B", "weights B", "scratch B"):
        table.add_column(name, justify="right")
    for s in board["steps"]:
        for n, c in enumerate(s["candidates"]):
            style = None if c["chosen"] else "dim"
            figures = (c["instructions"], c["code_bytes"], c["weights_bytes"], c["scratch_bytes"])
            kernel = f"{'●' if c['chosen'] else ' '} {c['kernel']}{', shared' if c['shared'] else ''}"
            cells = [f"{value:,}" if value else "–" for value in figures]
            table.add_row("" if n else str(s["index"]), "" if n else s["kind"], kernel, *cells, style=style)
    return table


def _boards(boards: Sequence[Mapping[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("board")
    table.add_column("fits")
    table.add_column("RAM B", justify="right")
    table.add_column("of", justify="right")
    table.add_column("spare", justify="right")
    table.add_column("flash B", justify="right")
    table.add_column("of", justify="right")
    table.add_column("spare", justify="right")
    table.add_column("instructions", justify="right")
    for b in boards:
        table.add_row(
            _plain(b["board"]),
            "[green]yes[/]" if b["fits"] else "[red bold]no[/]",
            *_room(b["ram"]),
            *_room(b["flash"]),
            "–" if b["instructions"] is None else f"{b['instructions']:,}",
        )
    return table


def _parts(board: Mapping[str, Any]) -> str:
    """Which part of the arena lies where, and how much of what is read of it is read there."""
    parts = board["ram"]["parts"]
    every = sum(p["reads"] for p in parts)
    said = (
        f"{p['bytes']:,} B in {p['region']} with {100 * p['reads'] / max(every, 1):.1f} % of its reads" for p in parts
    )
    return f"The arena on {_plain(board['board'])}: {', '.join(said)}."


def _curve(curve: Mapping[str, Any]) -> list[RenderableType]:
    """RAM against instructions, by region where there are several, and the bound."""
    from rich import box
    from rich.table import Table

    points = curve["points"]
    names = list(dict.fromkeys(part["region"] for p in points for part in p["parts"]))
    regions = [f"{name} B" for name in names] if len(names) > 1 else []
    table = Table(title=f"RAM against instructions on {curve['board']}", title_justify="left", box=box.SIMPLE_HEAD)
    for title in ("arena B", *regions, "instructions", "slower by", "flash B", "steps"):
        table.add_column(title, justify="right")
    table.add_column("instructions")
    most, least = points[0]["instructions"], points[-1]["instructions"]
    for p in points:
        held = {part["region"]: f"{part['bytes']:,}" for part in p["parts"]}
        table.add_row(
            f"{p['arena_bytes']:,}" if p["fits"] else f"[red]{p['arena_bytes']:,}[/]",
            *(held.get(name, "–") for name in names if regions),
            f"{p['instructions']:,}",
            f"{100 * (p['instructions'] / max(least, 1) - 1):.1f} %",
            f"{p['flash_bytes']:,}",
            f"{p['steps']}, {p['segments']} row by row" if p["segments"] else f"{p['steps']}",
            f"[cyan]{bar(p['instructions'], most)}[/]",
        )
    bound = f"No plan of the space that was searched can do with fewer than {curve['bound_bytes']:,} B of live bytes."
    if not all(p["fits"] for p in points):
        bound += f" What {curve['board']} has no room for is red."
    return [table, bound]


def _room(needs: Mapping[str, Any]) -> tuple[str, str, str]:
    spare = needs["region_bytes"] - needs["reserved_bytes"]
    short = spare < 0
    return (
        f"{needs['total_bytes']:,}",
        f"{needs['region_bytes']:,}",
        f"[red bold]{-spare:,} short[/]" if short else f"{spare:,}",
    )


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
