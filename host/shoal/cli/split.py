"""`shoal split`: a model over several boards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.cli.command import Result, command
from shoal.cli.options import bytes_, model_argument, output_option
from shoal.errors import BadInput, DoesNotFit, ShoalError

if TYPE_CHECKING:
    from shoal.network.graph import Graph
    from shoal.plan.chunks import Chunks, Need
    from shoal.plan.costs import Place, Times
    from shoal.plan.place import Piece

_MOST_BOARDS = 32


@command(
    examples=[
        ("over two boards of a kind and a third, as soon as possible",
         "shoal split ic.tflite --board netduinoplus2 --board netduinoplus2 --board esp32c3 --output trio"),
        ("no more than 40 KB of arena on the first, 60 KB on the second",
         "shoal split ic.tflite --board netduinoplus2 --board esp32c3 --ram-budget 40KB --ram-budget 60KB"
         " --output duo"),
        ("as many answers a second as possible, the first layer kept where the sensor is",
         "shoal split ic.tflite --board esp32c3 --board mps2_an386 --order free --objective throughput"
         " --pin 0=esp32c3 --output duo"),
        ("by what was measured of the boards, once",
         "shoal profile ic.tflite --board netduinoplus2 --board esp32c3 --output ic.json &&"
         " shoal split ic.tflite --board netduinoplus2 --board esp32c3 --profile ic.json --output duo"),
        ("then run them as one, on emulators", "shoal run trio --input x.npy && shoal bench trio"),
    ]
)  # fmt: skip
@model_argument
@click.option(
    "--board",
    "boards_",
    metavar="BOARD",
    multiple=True,
    required=True,
    help="A board's id or file; once for each node.",
)
@output_option("The folder to write; an earlier shoal's is replaced.", required=True)
@click.option(
    "--objective",
    type=click.Choice(["latency", "throughput", "boards", "energy"]),
    default="latency",
    show_default=True,
    help="What to be best at: time to an answer, answers a second (pipelined), few boards, little energy.",
)
@click.option(
    "--order",
    type=click.Choice(["given", "free"]),
    default="given",
    show_default=True,
    help="Whether chunks run on the boards in the order of --board, or in the best one.",
)
@click.option(
    "--ram-budget",
    type=bytes_,
    metavar="BYTES",
    multiple=True,
    help="Most bytes an arena may take: once for all boards, or once for each.",
)
@click.option(
    "--flash-budget",
    type=bytes_,
    metavar="BYTES",
    multiple=True,
    help="Most bytes code and weights of a node may take: once for all boards, or once for each.",
)
@click.option(
    "--pin",
    "pins",
    metavar="STEP=NODE",
    multiple=True,
    help="Keep an operator, by its number or name in shoal.json, on a node: the board's id, id-2 for its second.",
)
@click.option(
    "--prefer",
    type=click.Choice(["speed", "size", "ram"]),
    default="speed",
    show_default=True,
    help="Choose kernels for speed, little flash, or a small arena.",
)
@click.option(
    "--profile",
    "profiles_",
    metavar="FILE",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What `shoal profile` measured of boards, repeatable; what none of them has is modelled.",
)
@click.option(
    "--topology",
    type=click.Choice(["star", "chain"]),
    default="star",
    show_default=True,
    help="How boards are wired: star, each to this computer. chain: not yet.",
)
def split(
    model: Path,
    boards_: tuple[str, ...],
    output: Path,
    objective: str,
    order: str,
    ram_budget: tuple[int, ...],
    flash_budget: tuple[int, ...],
    pins: tuple[str, ...],
    prefer: str,
    profiles_: tuple[Path, ...],
    topology: str,
) -> Result:
    """Split a model over several boards: which operators run where, and a firmware project for each.

    Cuts lie between operators. The best of all placements is found, by what profiles have measured of each board or,
    for what none has, by a model: predicted instructions, and bytes over each board's wire at its line rate. Every
    board gets a chunk, unless the objective is boards. DIR holds shoal.json and a folder for each node; `build`,
    `flash`, `run`, `bench` and `test` take it as they take one board's.
    """
    from shoal import boards
    from shoal.cli.console import planning
    from shoal.link.wire import goodput
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify
    from shoal.plan import profiles
    from shoal.plan.chunks import Chunks
    from shoal.plan.costs import Place, costs, times
    from shoal.plan.place import Problem, nearest, place
    from shoal.plan.planner import plan
    from shoal.plan.residents import routes, seated
    from shoal.plan.steps import Options, Seat
    from shoal.render import shoal as folder

    if topology == "chain":
        raise BadInput("chain: boards that pass tensors on to each other, not yet", where="--topology",
                       advice="use --topology star")  # fmt: skip
    if len(boards_) > _MOST_BOARDS:
        raise BadInput(f"{len(boards_)} boards are more than {_MOST_BOARDS}", where="--board")
    chosen = [boards.load(b) for b in boards_]
    names = folder.names([b.id for b in chosen])
    budgets = zip(_each(ram_budget, chosen, "--ram-budget"), _each(flash_budget, chosen, "--flash-budget"), strict=True)
    graph = simplify(read(model))
    known = profiles.measured([profiles.load(p) for p in profiles_], graph, chosen, prefer)
    nodes = [
        Place(
            board,
            Options(prefer=prefer, ram_budget=ram, flash_budget=flash),
            profiles.Wire(goodput(board.uarts[0].baud), "model") if had is None or had.wire is None else had.wire,
            had,
        )
        for board, had, (ram, flash) in zip(chosen, known, budgets, strict=True)
    ]
    _check(nodes, objective, order)
    pinned = dict(_pin(text, graph, names) for text in pins)
    chunks = Chunks(graph)
    problem = Problem(len(graph.operators), len(nodes), costs(chunks, nodes), objective, order == "free", pinned)
    with planning() as progress:
        progress("placing chunks", 0.0)
        pieces = place(problem)
        if pieces is None:
            raise _infeasible(nearest(problem), chunks, nodes, names, pinned)
        members: list[folder.Member] = []
        for piece in pieces:
            at = nodes[piece.node]
            need = chunks.need(piece.first, piece.last, at.board, at.options)
            planned = plan(chunks.get(piece.first, piece.last), at.board, need.options, progress)
            seat = Seat(len(members) + 1, routes(topology, len(members) + 1, len(pieces)))
            planned = seated(planned, seat)
            members.append(folder.Member(names[piece.node], planned, piece.first, piece.last, at.wire, times(need, at)))
    asked = {
        "objective": objective,
        "order": order,
        "prefer": prefer,
        "ram_budget": [n.options.ram_budget for n in nodes],
        "flash_budget": [n.options.flash_budget for n in nodes],
        "pins": {str(o): names[n] for o, n in sorted(pinned.items())},
    }
    folder.write(graph, members, asked, model.read_bytes(), output)
    used = [nodes[p.node] for p in pieces]
    needs = [chunks.need(p.first, p.last, n.board, n.options) for p, n in zip(pieces, used, strict=True)]
    stages = [times(need, n) for need, n in zip(needs, used, strict=True)]
    sources = profiles.ordered(s for stage in stages for s in stage.sources)
    joules = [None if n.watts is None else n.watts * s.total for n, s in zip(used, stages, strict=True)]
    document: dict[str, Any] = {
        "model": graph.name,
        "model_sha256": graph.sha256,
        "output": str(output),
        "topology": topology,
        "objective": objective,
        "operators": len(graph.operators),
        "source": profiles.weakest(sources),
        "sources": sources,
        "assumption": _assumption(used, stages),
        "nodes": [
            {
                "name": m.name,
                "board": m.plan.board.id,
                "first": m.first,
                "last": m.last,
                "bytes_in": need.bytes_in,
                "bytes_out": need.bytes_out,
                "arena_bytes": m.plan.arena_bytes,
                "weights_bytes": m.plan.weights_bytes,
                "code_bytes": need.prediction.code_bytes,
                "instructions": stage.instructions,
                "receive_milliseconds": stage.receive / 1e6,
                "compute_milliseconds": stage.compute / 1e6,
                "send_milliseconds": stage.send / 1e6,
                "source": profiles.weakest(stage.sources),
                "sources": profiles.ordered(stage.sources),
                "prefer": need.options.prefer,
            }
            for m, need, stage in zip(members, needs, stages, strict=True)
        ],
        "latency_milliseconds": sum(s.total for s in stages) / 1e6,
        "throughput_per_second": 1e9 / max(1, *(s.total for s in stages)),
        "energy_microjoules": None if None in joules else sum(j for j in joules if j is not None) / 1e3,
        "energy_source": None if None in joules else profiles.weakest([*sources, *(n.current_source for n in used)]),
    }

    def show() -> None:
        from shoal.cli.console import console
        from shoal.report.shoal import split_line, split_table

        console().print(split_table(document))
        click.echo(split_line(document))

    return Result(document, show)


def _each(given: Sequence[int], chosen: Sequence[Any], flag: str) -> list[int | None]:
    """A budget for each board."""
    if len(given) > 1 and len(given) != len(chosen):
        raise BadInput(
            f"{len(given)} values for {len(chosen)} boards",
            where=flag,
            advice="give it once for all boards, or once for each --board, in their order",
        )
    return list(given) if len(given) == len(chosen) else [given[0] if given else None] * len(chosen)


def _check(nodes: Sequence[Place], objective: str, order: str) -> None:
    from shoal.plan.place import MOST_FREE_NODES

    for node in nodes:
        if objective == "energy" and node.watts is None:
            raise BadInput(
                "its file has no currents or supply voltage, and energy is made of those",
                where=f"board {node.board.id}",
                advice="add them to a board file of your own, or choose another --objective",
            )
    if order == "free" and len(nodes) > MOST_FREE_NODES:
        raise BadInput(
            f"{len(nodes)} boards in any order are more than {MOST_FREE_NODES}", where="--order free",
            advice="name them in the order in which they run",
        )  # fmt: skip


def _pin(text: str, graph: Graph, names: Sequence[str]) -> tuple[int, int]:
    """Operator and node of one --pin."""
    step, _, name = text.rpartition("=")
    if name not in names:
        raise BadInput(f"there is no node {name!r}", where=f"--pin {text}", advice=f"name one of {', '.join(names)}")
    written = [graph.tensors[o.outputs[0]].name for o in graph.operators]
    if step in written:
        return written.index(step), names.index(name)
    if step.isdecimal() and int(step) < len(written):
        return int(step), names.index(name)
    raise BadInput(
        f"there is no operator {step!r}", where=f"--pin {text}",
        advice=f"number it 0 to {len(written) - 1}, as `shoal analyze` lists them, or name its output",
    )  # fmt: skip


def _infeasible(
    near: list[Piece] | None, chunks: Chunks, nodes: Sequence[Place], names: Sequence[str], pinned: dict[int, int]
) -> ShoalError:
    """What stands in the way, by how much, and the least that would have to change."""
    operators = len(chunks.graph.operators)
    if near is None and len(nodes) > operators:
        return DoesNotFit(
            f"{len(nodes)} boards, and the network has {operators} operators: each board must get one",
            where=chunks.graph.name,
            advice=f"name {operators} boards at most, or use --objective boards",
        )
    if near is None:
        said = ", ".join(f"{o}={names[n]}" for o, n in sorted(pinned.items()))
        return DoesNotFit(
            f"no chunks in the boards' order keep the pins {said}",
            where="--pin",
            advice="leave one out, or try --order free",
        )
    over = []
    for piece in near:
        at = nodes[piece.node]
        need = chunks.need(piece.first, piece.last, at.board, at.options)
        if need.short:
            over.append((need, piece))
    changes = [change for need, piece in over for change in _changes(need, nodes[piece.node], names[piece.node])]
    need, piece = max(over, key=lambda o: o[0].short)
    what, prefer = ("RAM", "ram") if need.ram_short >= need.flash_short else ("flash", "size")
    return DoesNotFit(
        f"the best cut still leaves {names[piece.node]} {need.short:,} B of {what} short,"
        f" with operators {piece.first} to {piece.last - 1}",
        where=f"board {nodes[piece.node].board.id}",
        advice=f"nearest that works: {', '.join(changes)}; another --board or --prefer {prefer} may do as well",
    )


def _changes(need: Need, node: Place, name: str) -> list[str]:
    """The least changes by which a chunk would fit its node: of a budget, or of the board where it has no more."""
    sizes = need.prediction
    found = []
    for what, short, needed, budget in (
        ("ram", need.ram_short, sizes.arena_bytes, node.options.ram_budget),
        ("flash", need.flash_short, sizes.code_bytes + sizes.weights_bytes, node.options.flash_budget),
    ):
        if short > 0 and budget is not None and needed - budget == short:
            found.append(f"--{what}-budget {needed} for {name}")
        elif short > 0:
            found.append(f"a board with {short:,} B more {what} as {name}")
    return found


def _assumption(nodes: Sequence[Place], stages: Sequence[Times]) -> str:
    """In words, what the times stand on beside what was measured."""
    cpi = {n.board.id: n.cycles_per_instruction for n, s in zip(nodes, stages, strict=True) if s.predicted}
    said = []
    if cpi:
        each = ", ".join(f"{value:g} ({name})" for name, value in cpi.items())
        said.append(f"predicted instructions, cycles per instruction {each}")
    known = {n.board.id: n.measured.assumption for n in nodes if n.measured is not None}
    for what in dict.fromkeys(a for a in known.values() if a is not None):
        said.append(f"{', '.join(name for name, a in known.items() if a == what)}: {what}")
    if any(n.wire.source == "model" for n in nodes):
        said.append("wires at their line rate, nothing repeated")
    return "; ".join(said) or "nothing"
