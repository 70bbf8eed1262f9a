"""What commands do with a shoal's folder, where others are given one board's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.cli.command import Result
from shoal.errors import BadInput, DoesNotFit, NodeError, ShoalError
from shoal.render.shoal import is_shoal, load, tensor

if TYPE_CHECKING:
    from shoal.boards.board import Board
    from shoal.hil.suite import Outcome
    from shoal.link.events import Event, Watch
    from shoal.link.opened import Opened
    from shoal.link.shoal import Answer, Plan
    from shoal.link.shoal import Shoal as Running
    from shoal.network.graph import Graph

__all__ = ["How", "Shoal", "bench", "build", "flash", "is_shoal", "open_shoal", "run", "test"]


@dataclass(frozen=True)
class Shoal:
    """A shoal's folder and its shoal.json, checked."""

    directory: Path
    described: dict[str, Any]

    @property
    def names(self) -> list[str]:
        return [n["name"] for n in self.described["nodes"]]

    @property
    def used(self) -> list[str]:
        """The nodes that its own plan runs on."""
        return [a["node"] for a in self.described["plans"][0]["assignments"]]

    def board(self, name: str) -> Board:
        from shoal import boards

        board = next(n["board"] for n in self.described["nodes"] if n["name"] == name)
        return boards.load(str(self.directory / name / "boards" / f"{board}.json"))

    def tensors(self, side: str) -> list[dict[str, Any]]:
        """The network's `inputs` or `outputs`, described."""
        return [tensor(self.described, t) for t in self.described[side]]


def open_shoal(directory: Path, board: str | None = None, plan_options: Mapping[str, Any] | None = None) -> Shoal:
    """BadInput where the folder is not whole, or a board or plan options are asked for."""
    for flag in [*(["--board"] if board else []), *(f"--{o.replace('_', '-')}" for o in plan_options or ())]:
        raise BadInput(
            "a shoal has its boards and plans", where=f"{directory}, {flag}", advice=f"leave {flag} out, or split again"
        )
    return Shoal(directory, load(directory))


def only_of_a_shoal(how: Mapping[str, Any]) -> None:
    """BadInput where options of a shoal are given for one board."""
    if how:
        flag = f"--{next(iter(how)).replace('_', '-')}"
        raise BadInput("one board has nothing of the kind", where=flag, advice=f"leave {flag} out, or split the model")


def node_specs(shoal: Shoal, given: Sequence[str]) -> dict[str, str]:
    """Node → emulator, host or serial:PORT: NODE is for all, NAME=NODE for one; by default each board's emulator."""
    from shoal.cli.target import node_specs as specs_of

    return specs_of(given, {n: shoal.board(n) for n in shoal.names})


@dataclass(frozen=True)
class How:
    """How a shoal runs: `in_flight` inputs under way at once (None: one for each node and one to follow); `cuts`: None
    for its own plan, `each` to walk every boundary, or boundaries; `host_finishes`: its last chunk runs here; `link`:
    conditions of emulated wires, drawn by `seed`; `log`: a file for all that is seen."""

    in_flight: int | None = None
    cuts: str | None = None
    host_finishes: bool = False
    link: str | None = None
    seed: int = 0
    log: Path | None = None


@contextmanager
def opened(
    shoal: Shoal,
    graph: Graph,
    specs: Mapping[str, str],
    plans: Sequence[Plan],
    how: How,
    total: int,
    *told: Watch,
    count: bool = False,
) -> Iterator[Opened]:
    """The shoal, running; what is seen of it is `told`, shown on a terminal, and logged where that is asked for.
    `total`: inputs that there will be; `count`: emulators count."""
    from shoal.cli.console import watching, working
    from shoal.link.conditions import PERFECT, parse
    from shoal.link.log import Log
    from shoal.link.opened import open_shoal

    names = {n["number"]: n["name"] for n in shoal.described["nodes"]}
    watches = list(told)

    def watch(event: Event) -> None:
        for one in watches:
            one(event)

    with ExitStack() as stack:
        if how.log is not None:
            watches.append(stack.enter_context(Log(how.log)))
        made = stack.enter_context(
            open_shoal(
                shoal.directory,
                shoal.described,
                graph,
                specs,
                plans,
                in_flight=how.in_flight,
                count=count,
                watch=watch,
                link=PERFECT if how.link is None else parse(how.link),
                seed=how.seed,
                working=working,
            )
        )
        # only now: a terminal shows one thing at a time
        watches.append(stack.enter_context(watching(shoal.described["name"], names, total)))
        yield made


def run(
    shoal: Shoal, node: Sequence[str], input_: Path, output: Path | None, dequantize: bool, how: How = How()
) -> Result:
    from shoal.cli import arrays
    from shoal.cli.run import answered
    from shoal.link.plans import network
    from shoal.link.shoal import Request
    from shoal.render.manifest import array_of

    described = shoal.described
    inputs, outputs = ([arrays.tensor_of(t) for t in shoal.tensors(side)] for side in ("inputs", "outputs"))
    if output is not None:
        arrays.check_output(output, len(outputs))
    rows = arrays.load_rows(input_, inputs)
    count = len(rows[0])
    graph = network(shoal.directory, described)
    plans, walked = _plans(shoal, graph, how)
    given = [dict(zip(described["inputs"], (r[i].tobytes() for r in rows), strict=True)) for i in range(count)]
    found: list[list[Answer]] = [[] for _ in given]
    with opened(shoal, graph, node_specs(shoal, node), plans, how, count * max(len(walked), 1)) as made:
        refused = _refused(made.shoal, walked)
        kept = [p for p in walked if p.name not in refused] or plans[:1]
        rows_and_plans = [(i, plan) for plan in kept for i in range(count)]
        requests = (Request(given[i], plan) for i, plan in rows_and_plans)
        for (i, _), answer in zip(rows_and_plans, made.shoal.run(requests), strict=True):
            found[i].append(answer)
        lost = made.shoal.lost
        repeats = made.shoal.repeats
    answers = [[array_of(row[0].tensors[told["tensor"]], told) for row in found] for told in shoal.tensors("outputs")]
    differing = [
        i for i, row in enumerate(found) if any(_outputs(a, described) != _outputs(row[0], described) for a in row)
    ]
    origin = {
        "model": described["name"],
        "model_sha256": described["model"]["sha256"],
        "nodes": [_origin(shoal, name, made) for name in made.ports],
        "rows": count,
        "input": str(input_),
        "plan": found[-1][-1].plan.name,
        "degraded": any(a.degraded for row in found for a in row),
        "lost": [{"name": name, "why": why} for name, why in lost.items()],
    }
    if walked:
        origin["cuts"] = {"walked": len(kept), "refused": refused, "unchanged": not differing}
    made_by = [o["kind"] for o in described["operators"]]
    retries = repeats + sum(d.retries for row in found for a in row for d in a.done.values())
    result = answered(origin, retries, answers, outputs, described["labels"], made_by, output, dequantize)
    return _walked(result, origin, differing)


def _outputs(answer: Answer, described: Mapping[str, Any]) -> list[bytes]:
    return [answer.tensors[t] for t in described["outputs"]]


def _walked(result: Result, origin: Mapping[str, Any], differing: Sequence[int]) -> Result:
    """The result with what became of lost nodes and moved cuts."""

    def show() -> None:
        result.show()
        for one in origin["lost"]:
            click.echo(f"node {one['name']} is lost: {one['why']}; plan {origin['plan']!r} answered")
        if "cuts" in origin:
            cuts = origin["cuts"]
            refused = "".join(f"; refused {name}: {why}" for name, why in cuts["refused"].items())
            same = "every answer the same" if cuts["unchanged"] else f"answers of rows {list(differing)} differ"
            click.echo(f"cut at {cuts['walked']} boundaries, one after another without flashing: {same}{refused}")

    error = None
    if differing:
        error = DoesNotFit(
            f"answers of rows {list(differing)} depend on where the network is cut", where=origin["model"]
        )
    return Result(result.document, show, error)


def _plans(shoal: Shoal, graph: Graph, how: How) -> tuple[list[Plan], list[Plan]]:
    """What may run, the first one first; and the plans to walk, where every boundary is asked for. BadInput for cuts
    that the network or the shoal does not have."""
    from shoal.link.plans import cut_plan, described_plans

    own = described_plans(shoal.described)
    if how.cuts is None:
        return own, []
    nodes = shoal.described["nodes"]
    hosts = [n["number"] for n in nodes if n["board"] == "host"]
    boards = [n["number"] for n in nodes if n["board"] != "host"] or hosts
    end, topology = len(graph.operators), shoal.described["topology"]

    def plan(cuts: Sequence[int]) -> Plan:
        order = boards[: len(cuts)] + hosts[-1:] if how.host_finishes else list(dict.fromkeys([*boards, *hosts[-1:]]))
        if len(order) <= len(cuts):
            raise BadInput(
                f"{len(cuts)} cuts make {len(cuts) + 1} chunks, for {len(order)} nodes",
                where=f"--cuts {how.cuts}",
                advice="name fewer cuts" if hosts else "name fewer cuts, or split with --board host as well",
            )
        return cut_plan(graph, topology, order[: len(cuts) + 1], cuts)

    if how.cuts == "each":
        walked = [plan([b]) for b in range(1, end)]
        return [walked[0], *own], walked
    cuts = [int(text) if text.isdecimal() else -1 for text in how.cuts.split(",")]
    if any(a >= b for a, b in pairwise([0, *cuts, end])):
        raise BadInput(
            f"no boundaries of {end} operators, ascending",
            where=f"--cuts {how.cuts}",
            advice=f"name some of 1 to {end - 1}, as in --cuts {end // 2}, or `each`",
        )
    return [plan(cuts), *own], []


def _refused(running: Running, walked: Sequence[Plan]) -> dict[str, str]:
    """Why nodes refuse plans, by name, asked before anything runs. NodeError where they refuse all."""
    refused: dict[str, str] = {}
    for plan in walked:
        try:
            running.check(plan)
        except NodeError as error:
            refused[plan.name] = f"{error.where}: {error.what}"
            if len(refused) == len(walked):
                raise
    return refused


def _origin(shoal: Shoal, name: str, made: Opened) -> dict[str, Any]:
    from shoal.bench.bench import SOURCES

    built, spec = made.ports[name].built, made.specs[name]
    board = next(n["board"] for n in shoal.described["nodes"] if n["name"] == name)
    return {
        "name": name,
        "board": board,
        "firmware_sha256": built.firmware_sha256,
        "build_id": built.build_id,
        "node": spec,
        "source": SOURCES[spec.partition(":")[0]],
    }


#: answers that a pipeline's rate is told by, behind those that fill it
_MEASURED = 20


def bench(
    shoal: Shoal,
    node: Sequence[str],
    runs: int | None,
    how: How = How(),
    plot: Path | None = None,
    html: Path | None = None,
) -> Result:
    """`runs`: inputs that are measured; None: as many as tell a pipeline's rate. `plot`, `html`: files for a picture
    and a page of who does what when."""
    from shoal.bench.shoal import Folder, hidden
    from shoal.bench.shoal import bench as measure
    from shoal.cli.console import console, progress
    from shoal.link.events import FrameSeen
    from shoal.link.plans import network

    graph = network(shoal.directory, shoal.described)
    folder, specs = Folder(shoal.directory, shoal.described, graph), node_specs(shoal, node)
    plans, walked = _plans(shoal, graph, how)
    if walked:
        raise BadInput("one place to cut is measured at a time", where="--cuts each", advice="name boundaries")
    count = runs or (how.in_flight or len(plans[0].nodes) + 1) + _MEASURED
    frames: list[FrameSeen] = []

    def seen(event: Event) -> None:
        if isinstance(event, FrameSeen):
            frames.append(event)

    with progress("measuring", count + 2) as bar:
        with opened(shoal, graph, specs, plans, how, count + 1, seen, count=True) as made:
            document = measure(folder, made, plans[0], frames, count, bar.advance)
        last = document["nodes"][-1]
        if last["exact"]:
            last["exact"], last["exact_reason"] = hidden(folder, last["name"], specs[last["name"]])
            if document["exact"] and not last["exact"]:
                document["exact"] = last["exact"]
                document["exact_reason"] = f"{last['name']}: {last['exact_reason']}"
        bar.advance()
    error = None
    if document["exact"] is False:
        error = DoesNotFit(f"the answer is not the reference's: {document['exact_reason']}", where=document["model"])
    drawn = _drawn(document, error, plot, html)

    def show() -> None:
        from shoal.report.shoal import bench_line, bench_table, links_table

        console().print(bench_table(document))
        console().print(links_table(document))
        click.echo(bench_line(document))
        for what, path in drawn.items():
            click.echo(f"{what}: {path}")

    return Result(document | drawn, show, error)


def _drawn(
    document: Mapping[str, Any], error: ShoalError | None, plot: Path | None, html: Path | None
) -> dict[str, str]:
    """Writes what is asked for; the members that name it."""
    from shoal import __version__
    from shoal.report import gantt
    from shoal.report.page import shoal_page

    drawn = {}
    if plot is not None:
        gantt.save(document, plot)
        drawn["plot"] = str(plot)
    if html is not None:
        shown = document if error is None else {**document, "error": error.as_json()}
        html.write_text(shoal_page(shown, __version__), encoding="utf-8")
        drawn["html"] = str(html)
    return drawn


def test(shoal: Shoal, node: Sequence[str], input_: Path | None, count: int, junit: Path | None) -> Result:
    """The whole against the reference, then every node by itself; a node's checks carry its name."""
    from shoal import oracle
    from shoal.cli.arrays import load_rows, tensor_of
    from shoal.cli.console import console, progress
    from shoal.hil import suite
    from shoal.hil.inputs import made_up
    from shoal.hil.subject import open_subject
    from shoal.link.node import named
    from shoal.render.manifest import load as load_manifest

    specs = node_specs(shoal, node)
    rows = made_up(shoal.tensors("inputs"), count)
    if input_ is not None:
        rows += list(zip(*load_rows(input_, [tensor_of(t) for t in shoal.tensors("inputs")]), strict=True))
    why = oracle.reason()
    with progress("testing", 1 + len(shoal.used) * len(suite.CHECKS)) as bar:
        whole, origins = _whole(shoal, specs, rows)
        outcomes = [whole]
        bar.advance()
        for name in shoal.used:
            folder = shoal.directory / name
            manifest = load_manifest(folder)
            own = made_up(manifest["inputs"], count)
            with named(name), open_subject(folder, manifest, shoal.board(name), specs[name], own) as subject:
                outcomes += [replace(o, name=f"{name}: {o.name}") for o in bar.track(suite.run(subject))]
    checks = [
        {"name": o.name, "verdict": o.verdict, "detail": o.detail, "seconds": round(o.seconds, 3)} for o in outcomes
    ]
    verdicts = [o.verdict for o in outcomes]
    document: dict[str, Any] = {
        "model": shoal.described["name"],
        "model_sha256": shoal.described["model"]["sha256"],
        "nodes": origins,
        "inputs": len(rows),
        "exact": None if why else whole.verdict == "passed",
        "exact_reason": why,
        "checks": checks,
        "passed": verdicts.count("passed"),
        "failed": verdicts.count("failed"),
        "skipped": verdicts.count("skipped"),
        "steps": None,
    }
    if junit is not None:
        from shoal.hil.junit import junit as as_xml

        boards = ", ".join(n["board"] for n in origins)
        junit.write_bytes(as_xml({"board": boards, "model": document["model"]}, checks))
    failed = [c for c in checks if c["verdict"] == "failed"]
    error = None
    if failed:
        said = "; ".join(f"{c['name']}: {c['detail']}" for c in failed)
        error = DoesNotFit(f"{len(failed)} of {len(checks)} checks failed: {said}", where=document["model"])

    def show() -> None:
        from shoal.report.checks import checks_line, checks_table

        console().print(checks_table(document))
        click.echo(checks_line(document))

    return Result(document, show, error)


def _whole(
    shoal: Shoal, specs: Mapping[str, str], rows: Sequence[tuple[Any, ...]]
) -> tuple[Outcome, list[dict[str, Any]]]:
    """Whether the whole's answers, pipelined, are the reference's; and where the nodes come from."""
    from time import monotonic

    from shoal import oracle
    from shoal.hil.suite import Outcome
    from shoal.link.plans import described_plans, network
    from shoal.link.shoal import Request

    described, started = shoal.described, monotonic()
    graph = network(shoal.directory, described)
    given = [dict(zip(described["inputs"], (x.tobytes() for x in row), strict=True)) for row in rows]
    with opened(shoal, graph, specs, described_plans(described), How(), len(rows)) as made:
        answers = list(made.shoal.run(map(Request, given)))
        origins = [_origin(shoal, name, made) for name in made.ports]
        lost = dict(made.shoal.lost)
    verdict, detail = "passed", f"{len(rows)} inputs over {len(origins)} nodes, every byte"
    if lost:
        verdict, detail = "failed", "; ".join(f"node {name} is lost: {why}" for name, why in lost.items())
    elif oracle.reason():
        verdict, detail = "skipped", f"no reference: {oracle.reason()}"
    else:
        judge = oracle.open_oracle((shoal.directory / described["model"]["file"]).read_bytes())
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True)):
            if [o.tobytes() for o in judge.run(row)] != _outputs(answer, described):
                verdict, detail = "failed", f"input {number} is not answered with the reference's bytes"
                break
    return Outcome("outputs", verdict, detail, monotonic() - started), origins


def build(shoal: Shoal, one: Callable[[Path], Result]) -> Result:
    """Each node's folder built by `one`, which is what builds a single one."""
    return _each(shoal, shoal.names, one)


def flash(shoal: Shoal, ports: Sequence[str], one: Callable[[Path, str | None], Result]) -> Result:
    """Each node's folder flashed by `one`; `ports`: NAME=PORT. With ports, only the nodes that they name."""
    named: dict[str, str] = {}
    for text in ports:
        name, equals, port = text.partition("=")
        if not equals or name not in shoal.names:
            raise BadInput(
                f"which node is at {text!r}?",
                where="--port",
                advice=f"say --port NAME=PORT; the nodes are {', '.join(shoal.names)}",
            )
        named[name] = port.removeprefix("serial:")
    boards = [n["name"] for n in shoal.described["nodes"] if n["board"] != "host"]
    kinds = [n["board"] for n in shoal.described["nodes"] if n["board"] != "host"]
    if not named and len(set(kinds)) < len(kinds):
        raise NodeError(
            "several boards of one kind cannot be told apart", where=str(shoal.directory),
            advice="say which is which: --port NAME=PORT for each",
        )  # fmt: skip
    return _each(shoal, list(named) or boards or shoal.names, lambda folder: one(folder, named.get(folder.name)))


def _each(shoal: Shoal, names: Sequence[str], one: Callable[[Path], Result]) -> Result:
    from shoal.link.node import named

    results = []
    for name in names:
        with named(name):
            results.append(one(shoal.directory / name))
    nodes = [{"name": name, **result.document} for name, result in zip(names, results, strict=True)]

    def show() -> None:
        for name, result in zip(names, results, strict=True):
            click.echo(f"{name}:")
            result.show()

    return Result({"model": shoal.described["name"], "nodes": nodes}, show)
