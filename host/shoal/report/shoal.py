"""What a shoal is and what it came to, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def _table(*columns: str) -> Table:
    """A table whose first column is a name and the others are figures."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("node")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def split_table(document: Mapping[str, Any]) -> Table:
    """Node by node, its operators, memory and modelled times."""
    table = _table("operators", "arena B", "weights B", "in B", "out B", "receive ms", "compute ms", "send ms")
    for node in document["nodes"]:
        sizes = [node[k] for k in ("arena_bytes", "weights_bytes", "bytes_in", "bytes_out")]
        spent = [node[f"{k}_milliseconds"] for k in ("receive", "compute", "send")]
        operators = f"{node['first']} to {node['last'] - 1}"
        table.add_row(node["name"], operators, *(f"{s:,}" for s in sizes), *(f"{t:,.1f}" for t in spent))
    return table


_PLANNED = {
    "slices": "a layer outgrows every node's flash: it is cut over its input channels, and sums of its parts travel",
    "rows": "no plans over whole tensors fit: some chunks run row by row, which takes longer than is said here",
    "store": "not all constants fit the nodes' flash: some are fetched from this computer for every answer, which takes"
    " much longer than is said here",
}


def split_lines(document: Mapping[str, Any]) -> list[str]:
    """What becomes of it when a node is lost; and where boundaries lie inside of fused steps."""
    found = []
    if document["planned"] != "whole tensors":
        found.append(_PLANNED[document["planned"]])
    for one in document["without"]:
        if one["answers"]:
            found.append(f"without {one['lost']}: {one['latency_milliseconds']:,.1f} ms to an answer")
        else:
            found.append(f"without {one['lost']}: no answer, {one['why']}")
    for node in document["nodes"]:
        if not (node["receive_bytes"] and node["retain_bytes"]):
            found.append(f"{node['name']} has no room for what waits: one input at a time")
        for cut in (c for held in node["residents"] for c in held["cost_of_cuts"]):
            found.append(
                f"{node['name']}: to be cut at {cut['boundary']} it would take {cut['bytes']:,} B more of arena"
            )
    return found


def split_line(document: Mapping[str, Any]) -> str:
    """`12.3 ms to an answer, 1.2 answers a second: by a model, nothing is measured …`."""
    sources = document["sources"]
    derived = (
        f"derived from {', '.join(sources)}, so {document['source']}"
        if sources != ["model"]
        else ("by a model, nothing is measured")
    )
    return (
        f"{document['latency_milliseconds']:,.1f} ms to an answer, {document['throughput_per_second']:,.2f} answers a"
        f" second: {derived} ({document['assumption']})\n"
        f"next: shoal run {document['output']} --input X.npy, shoal bench {document['output']}"
    )


def bench_table(document: Mapping[str, Any]) -> Table:
    """Node by node, what its chunk takes."""
    table = _table("on", "operators", "instructions", "arena B", "flash B", "in B", "out B", "bytes")
    verdict = {True: "[green]equal[/]", False: "[red bold]different[/]", None: "[yellow]not checked[/]"}
    for node in document["nodes"]:
        chunk, flash = node["chunks"][0], node["flash"]["total_bytes"]
        instructions = node["latency"]["instructions"]
        table.add_row(
            node["name"],
            f"{node['node']}",
            f"{chunk['first']} to {chunk['last'] - 1}",
            "-" if instructions is None else f"{instructions:,}",
            f"{node['ram']['arena_bytes']:,}",
            "-" if flash is None else f"{flash:,}",
            f"{node['bytes_in']:,}",
            f"{node['bytes_out']:,}",
            verdict[node["exact"]],
        )
    return table


def links_table(document: Mapping[str, Any]) -> Table:
    """Wire by wire, what one inference takes there."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("wire")
    for column in ("to", "baud", "tensors B", "frames", "lost", "ms", "round trip ms", "goodput B/s"):
        table.add_column(column, justify="right")
    for link in document["links"]:
        figures = [f"{link[k]:,}" for k in ("bytes", "frames", "lost_frames")]
        times = [f"{link[k]:,.1f}" for k in ("milliseconds", "round_trip_milliseconds")]
        baud = "-" if link["baud"] is None else f"{link['baud']:,}"
        goodput = "-" if link["goodput"] is None else f"{link['goodput']:,.0f}"
        table.add_row(link["wire"], link["to"], baud, *figures, *times, goodput)
    return table


def bench_line(document: Mapping[str, Any]) -> str:
    latency, throughput = document["latency"], document["throughput"]
    return (
        f"{latency['milliseconds_estimated']:,.1f} ms to an answer ({latency['compute_milliseconds']:,.1f} computing,"
        f" {latency['link_milliseconds']:,.1f} on wires), {throughput['per_second_estimated']:,.2f} answers a second"
        f" pipelined ({throughput['longest_stage']} takes longest): by a model over what was counted\n"
        f"assumed: {latency['assumption']}"
    )
