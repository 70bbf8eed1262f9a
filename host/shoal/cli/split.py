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
    from shoal.plan.chunks import Need
    from shoal.plan.costs import Place, Times
    from shoal.plan.shoals import Division, Lacking, Wanted
    from shoal.plan.steps import Plan
    from shoal.render.shoal import Member

_MOST_BOARDS = 15


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
    help="How boards are wired: star, each to this computer; chain, each to the next, the first and last to this one.",
)
@click.option(
    "--share",
    "shared",
    metavar="STEP[=PARTS]",
    help="Let two nodes, or PARTS, each compute with a part of a fully connected layer's input channels, side by side;"
    " the next one adds up.",
)
@click.option(
    "--residents",
    type=click.Choice(["all", "own"]),
    default="all",
    show_default=True,
    help="What a node's firmware holds: the whole network wherever that fits, so that cuts can move while it runs; or"
    " its own chunk and what it runs when another node is lost.",
)
@click.option(
    "--in-place",
    is_flag=True,
    help="Let tensors come and go where chunks work, one input at a time: no RAM for what waits.",
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
    shared: str | None,
    residents: str,
    in_place: bool,
) -> Result:
    """Split a model over several boards: which operators run where, and a firmware project for each.

    Cuts lie between operators. The best of all placements is found, by what profiles have measured of each board or,
    for what none has, by a model: predicted instructions, and bytes over each board's wire at its line rate. Every
    board gets a chunk, unless the objective is boards. DIR holds shoal.json and a folder for each node; `build`,
    `flash`, `run`, `bench` and `test` take it as they take one board's.
    """
    from shoal import boards
    from shoal.cli.console import planning
    from shoal.link.wire import PIPE, goodput
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify
    from shoal.plan import profiles, shoals
    from shoal.plan.costs import Place
    from shoal.plan.steps import Options
    from shoal.render import shoal as folder

    if len(boards_) > _MOST_BOARDS:
        raise BadInput(f"{len(boards_)} boards are more than {_MOST_BOARDS}", where="--board")
    chosen = [boards.load(b) for b in boards_]
    names = folder.names([b.id for b in chosen])
    budgets = zip(_each(ram_budget, chosen, "--ram-budget"), _each(flash_budget, chosen, "--flash-budget"), strict=True)
    graph = simplify(read(model))
    known = profiles.measured([profiles.load(p) for p in profiles_], graph, chosen, prefer)
    nodes = []
    for board, had, (ram, flash) in zip(chosen, known, budgets, strict=True):
        wire = profiles.Wire(PIPE if board.hal == "host" else goodput(board.uarts[0].baud), "model")
        wire = wire if had is None or had.wire is None else had.wire
        nodes.append(Place(board, Options(prefer=prefer, ram_budget=ram, flash_budget=flash), wire, had))
    _check(nodes, objective, order, topology)
    apart = frozenset[int]()
    if shared is not None:
        graph, apart = _share(shared, graph, len(nodes))
    wanted = shoals.Wanted(
        graph,
        tuple(nodes),
        topology,
        objective,
        order == "free",
        dict(_pin(text, graph, names) for text in pins),
        apart,
        residents == "all",
        not in_place,
    )
    with planning() as progress:
        progress("placing chunks", 0.0)
        main, how = shoals.divide(wanted), "whole tensors"
        if main is None and (cut := shoals.sliced(wanted)) is not None:
            (wanted, main), how = cut, "slices"
        if main is None:
            main, how = shoals.squeezed(wanted, False, progress), "rows"
        if main is None:
            main, how = shoals.squeezed(wanted, True, progress), "store"
        if main is None:
            raise _infeasible(wanted, names)
        held = shoals.held_by(wanted, main, progress)
        others = shoals.fallbacks(wanted, main, held) if len(main.nodes) > 1 else []
        divisions = [main, *(d for d in others if isinstance(d, shoals.Division))]
        members, placed = _members(wanted, main, divisions, held, names)
    asked = {
        "objective": objective,
        "order": order,
        "prefer": prefer,
        "ram_budget": [n.options.ram_budget for n in nodes],
        "flash_budget": [n.options.flash_budget for n in nodes],
        "pins": {str(o): names[n] for o, n in sorted(wanted.pins.items())},
        "in_place": in_place,
        "residents": residents,
    }
    folder.write(wanted.graph, topology, members, placed, asked, model.read_bytes(), output)
    document = _document(wanted, main, members, placed, names)
    document["output"] = str(output)
    document["planned"] = how
    document["without"] = [_without(d, wanted, names) for d in others]

    def show() -> None:
        from shoal.cli.console import console
        from shoal.report.shoal import split_line, split_lines, split_table

        console().print(split_table(document))
        for line in split_lines(document):
            click.echo(line)
        click.echo(split_line(document))

    return Result(document, show)


def _members(
    wanted: Wanted, main: Division, divisions: Sequence[Division], held: dict[int, list[Plan]], names: Sequence[str]
) -> tuple[list[Member], list[Division]]:
    """The nodes in the order of their chunks, and the divisions by their places there; behind them the host's own
    process, where none of them is one: whatever is left of the network can be finished there."""
    from shoal import boards
    from shoal.link.wire import PIPE
    from shoal.plan.planner import instant
    from shoal.plan.profiles import Wire
    from shoal.plan.residents import MOST_NODES, routes
    from shoal.plan.shoals import seated
    from shoal.plan.steps import Options, Seat
    from shoal.render.shoal import Member

    where = [n for n in main.nodes if wanted.nodes[n].board.hal != "host"]
    hosts = [n for n in main.nodes if n not in where]
    own = not hosts and len(where) < MOST_NODES - 1
    numbers = {n: k for k, n in enumerate((*where, *hosts), 1)}
    seats = {n: Seat(k, routes(wanted.topology, k, len(where), len(hosts) + own)) for n, k in numbers.items()}
    members = []
    for node in main.nodes:
        mine = [a for d in divisions for a in d.assignments if a.node == node]
        asked = [(a.need.bytes_in, a.need.bytes_out) for a in mine]
        image = seated(held[node], asked, seats[node], wanted.waiting)
        members.append(Member(names[node], image, wanted.nodes[node].wire))
    if own:
        number = len(where) + 1
        options = Options(prefer=wanted.nodes[0].options.prefer)
        whole = instant(wanted.graph, boards.load("host"), options)
        most = max(
            sum(wanted.graph.tensors[t].bytes for t in wanted.graph.live(b))
            for b in range(len(wanted.graph.operators) + 1)
        )
        image = seated([whole], [(most, most)], Seat(number, routes(wanted.topology, number, len(where), 1)), True)
        members.append(Member("host", image, Wire(PIPE, "model")))
    places = {n: k for k, n in enumerate(main.nodes)}
    return members, [d.placed(places) for d in divisions]


def _document(
    wanted: Wanted, main: Division, members: Sequence[Member], placed: Sequence[Division], names: Sequence[str]
) -> dict[str, Any]:
    from shoal.plan import profiles
    from shoal.plan.predict import predict
    from shoal.render.shoal import plan, residents, wires

    used = [wanted.nodes[a.node] for a in main.assignments]
    stages = [a.times for a in main.assignments]
    sources = profiles.ordered(s for stage in stages for s in stage.sources)
    joules = [None if n.watts is None else n.watts * s.total for n, s in zip(used, stages, strict=True)]
    return {
        "model": wanted.graph.name,
        "model_sha256": wanted.graph.sha256,
        "topology": wanted.topology,
        "objective": wanted.objective,
        "operators": len(wanted.graph.operators),
        "source": profiles.weakest(sources),
        "sources": sources,
        "assumption": _assumption(used, stages),
        "nodes": [
            {
                "name": names[a.node],
                "board": n.board.id,
                "number": m.number,
                "first": a.first,
                "last": a.last,
                "bytes_in": a.need.bytes_in,
                "bytes_out": a.need.bytes_out,
                "arena_bytes": m.plan.arena_bytes,
                "receive_bytes": m.plan.residents[0].receive_bytes,
                "retain_bytes": m.plan.residents[0].retain_bytes,
                "weights_bytes": m.plan.weights_bytes,
                "code_bytes": predict(m.plan).code_bytes,
                "instructions": a.times.instructions,
                "receive_milliseconds": a.times.receive / 1e6,
                "compute_milliseconds": a.times.compute / 1e6,
                "send_milliseconds": a.times.send / 1e6,
                "stage_milliseconds": a.times.stage / 1e6,
                "source": profiles.weakest(a.times.sources),
                "sources": profiles.ordered(a.times.sources),
                "prefer": a.need.options.prefer,
                "residents": residents(m.plan),
            }
            for a, n, m in zip(main.assignments, used, members, strict=False)
        ],
        "plans": [plan(d, members) for d in placed],
        "links": wires(wanted.topology, members),
        "latency_milliseconds": main.latency / 1e6,
        "throughput_per_second": 1e9 / max(1, main.stage),
        "energy_microjoules": None if None in joules else sum(j for j in joules if j is not None) / 1e3,
        "energy_source": None if None in joules else profiles.weakest([*sources, *(n.current_source for n in used)]),
    }


def _without(found: Division | Lacking, wanted: Wanted, names: Sequence[str]) -> dict[str, Any]:
    """What becomes of the network without a node."""
    from shoal.plan.shoals import Lacking

    if not isinstance(found, Lacking):
        [lost] = found.lost
        said = {"latency_milliseconds": found.latency / 1e6, "throughput_per_second": 1e9 / max(1, found.stage)}
        return {"lost": names[lost], "answers": True, **said, "why": None}
    if found.node is None:
        why = "pins, or the number of operators, leave no way to run it on the others"
    else:
        why = f"{names[found.node]} is {found.short:,} B short of memory for what it would have to hold as well"
    return {
        "lost": names[found.lost],
        "answers": False,
        "latency_milliseconds": None,
        "throughput_per_second": None,
        "why": why,
    }


def _share(text: str, graph: Graph, nodes: int) -> tuple[Graph, frozenset[int]]:
    """The network with the layer of --share in parts, and where these must be apart: each part from the next, the last
    from what adds up, and the first from what is in front of it where there are nodes for that."""
    from shoal.network.slices import input_channels

    step, _, parts = text.partition("=")
    count = int(parts) if parts.isdecimal() else 2 if not parts else 0
    if count < 2:
        raise BadInput(f"{parts!r} parts", where=f"--share {text}", advice="share between 2 nodes, or more")
    operator = _operator(step, graph, f"--share {text}")
    if nodes < count + 1:
        raise BadInput(
            f"{count} parts and who adds them up take {count + 1} nodes, not {nodes}",
            where=f"--share {text}",
            advice="name another --board",
        )
    cut = input_channels(graph, operator, count)
    first = {operator} if operator and nodes > count + 1 else set[int]()
    return cut, frozenset(first | {operator + n for n in range(1, count + 1)})


def _each(given: Sequence[int], chosen: Sequence[Any], flag: str) -> list[int | None]:
    """A budget for each board."""
    if len(given) > 1 and len(given) != len(chosen):
        raise BadInput(
            f"{len(given)} values for {len(chosen)} boards",
            where=flag,
            advice="give it once for all boards, or once for each --board, in their order",
        )
    return list(given) if len(given) == len(chosen) else [given[0] if given else None] * len(chosen)


def _check(nodes: Sequence[Place], objective: str, order: str, topology: str) -> None:
    from shoal.plan.place import MOST_FREE_NODES

    for node in nodes:
        if objective == "energy" and node.watts is None:
            raise BadInput(
                "its file has no currents or supply voltage, and energy is made of those",
                where=f"board {node.board.id}",
                advice="add them to a board file of your own, or choose another --objective",
            )
    kinds = [n.board.hal == "host" for n in nodes]
    if topology == "chain":
        for node in nodes:
            if node.board.hal != "host" and len(node.board.uarts) < 2:
                raise BadInput(
                    "has one UART, and a chain takes two of each board",
                    where=f"board {node.board.id}",
                    advice="use --topology star, or another board",
                )
        inner = [k for k, one in enumerate(kinds) if one and not (all(kinds[:k]) or all(kinds[k:]))]
        if inner or (any(kinds) and order == "free"):
            raise BadInput(
                "the host is at the ends of a chain, not inside of it",
                where="--board host",
                advice="name it first or last, with --order given",
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
    return _operator(step, graph, f"--pin {text}"), names.index(name)


def _operator(step: str, graph: Graph, where: str) -> int:
    """By its number, or the name of its output."""
    written = [graph.tensors[o.outputs[0]].name for o in graph.operators]
    if step in written:
        return written.index(step)
    if step.isdecimal() and int(step) < len(written):
        return int(step)
    raise BadInput(
        f"there is no operator {step!r}", where=where,
        advice=f"number it 0 to {len(written) - 1}, as `shoal analyze` lists them, or name its output",
    )  # fmt: skip


def _infeasible(wanted: Wanted, names: Sequence[str]) -> ShoalError:
    """What stands in the way, by how much, and the least that would have to change."""
    from shoal.plan.place import nearest

    near, nodes, operators = nearest(wanted.problem), wanted.nodes, len(wanted.graph.operators)
    if near is None and len(nodes) > operators:
        return DoesNotFit(
            f"{len(nodes)} boards, and the network has {operators} operators: each board must get one",
            where=wanted.graph.name,
            advice=f"name {operators} boards at most, or use --objective boards",
        )
    if near is None:
        said = ", ".join(f"{o}={names[n]}" for o, n in sorted(wanted.pins.items()))
        return DoesNotFit(
            f"no chunks in the boards' order keep the pins {said}"
            + (f" and the cuts at {', '.join(map(str, sorted(wanted.apart)))}" if wanted.apart else ""),
            where="--pin" if said else "--share",
            advice="leave one out, or try --order free",
        )
    needs = [(wanted.costs.need(piece), piece) for piece in near]
    over = [(need, piece) for need, piece in needs if need.short]
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
