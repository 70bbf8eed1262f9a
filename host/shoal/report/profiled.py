"""What `shoal profile` measured, for the terminal: operators by boards, and the cuts between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def profiled_table(document: Mapping[str, Any]) -> Table:
    """A row for each operator: what it takes on each board, and the bytes of a cut in front of it."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("operator", justify="right")
    table.add_column("kind", footer="all")
    table.add_column("name", overflow="ellipsis", no_wrap=True, max_width=36)
    table.add_column("cut B", justify="right")
    boards = document["boards"]
    ran = [{o["operator"]: o for o in part["operators"]} for part in boards]
    for part, operators in zip(boards, ran, strict=True):
        counted = "cycles" if part["source"] == "board" else "instructions"
        table.add_column(f"{part['board']}\n{counted}", justify="right", footer=_sum(operators.values(), counted))
        about = "" if part["source"] == "board" else "≈ "
        whole = sum(o["nanoseconds"] for o in operators.values()) / 1e6
        table.add_column("\nms", justify="right", footer=f"{about}{whole:,.2f}")
    cuts = boards[0]["boundaries"]
    for operator in document["operators"]:
        index = operator["index"]
        cells = [str(index), operator["kind"], escape(operator["name"].split(";")[0]), f"{cuts[index]['bytes']:,}"]
        for part, operators in zip(boards, ran, strict=True):
            found = operators.get(index)
            if found is None:
                cells += ["does not fit", ""]
                continue
            counted = found["cycles"] if part["source"] == "board" else found["instructions"]
            cells += [f"{counted:,}", f"{found['nanoseconds'] / 1e6:,.3f}"]
        table.add_row(*cells)
    return table


def _sum(operators: Any, counted: str) -> str:
    return f"{sum(o[counted] for o in operators):,}"


def profiled_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """For each board where its figures come from, its images and its wire."""
    for part in document["boards"]:
        link, images = part["link"], part["images"]
        said = [part["source"], *([part["assumption"]] if part["assumption"] else [])]
        if len(images) > 1:
            said.append(f"in {len(images)} images")
        missing = len(document["operators"]) - len(part["operators"])
        if missing:
            said.append(f"{missing} of {len(document['operators'])} operators do not fit it, and are not in its sum")
        yield f"{part['board']}: {'; '.join(said)}"
        rate = f"{link['goodput_in']:,.0f} B/s in, {link['goodput_out']:,.0f} B/s out"
        if link["source"] == "board":
            yield f"  link: {rate}, {link['round_trip_milliseconds']:,.2f} ms to and fro, measured"
        else:
            yield f"  link: {rate}, by the line's rate ({link['baud']:,} baud)"
        energy = part["energy"]
        if energy["source"] == "board":
            yield f"  energy: {energy['microjoules']:,.1f} µJ above idle, measured by {energy['meter']}"
