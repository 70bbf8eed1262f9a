"""What commands do with a shoal's folder, where others are given one board's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.cli.command import Result
from shoal.errors import BadInput, DoesNotFit, NodeError
from shoal.render.shoal import given, is_shoal, load, tensor

if TYPE_CHECKING:
    from shoal.boards.board import Board
    from shoal.hil.session import Session
    from shoal.hil.suite import Outcome
    from shoal.link.star import Stage

__all__ = ["Shoal", "bench", "build", "flash", "is_shoal", "open_shoal", "run", "test"]


@dataclass(frozen=True)
class Shoal:
    """A shoal's folder and its shoal.json, checked."""

    directory: Path
    described: dict[str, Any]

    @property
    def names(self) -> list[str]:
        return [n["name"] for n in self.described["nodes"]]

    @property
    def assignments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.described["plans"][0]["assignments"]
        return found

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


def node_specs(shoal: Shoal, given: Sequence[str]) -> dict[str, str]:
    """Node → emulator, host or serial:PORT: NODE is for all, NAME=NODE for one; by default each board's emulator."""
    from shoal.cli.target import node_specs as specs_of

    return specs_of(given, {n: shoal.board(n) for n in shoal.names})


@contextmanager
def opened(shoal: Shoal, specs: Mapping[str, str]) -> Iterator[tuple[list[Stage], list[Session]]]:
    """All nodes open, in the order of their chunks, what is missing built before; errors say which node it was."""
    from shoal.cli.console import working
    from shoal.hil.session import open_session
    from shoal.link.star import Stage, named
    from shoal.render.manifest import load as load_manifest

    with ExitStack() as stack:
        stages, sessions = [], []
        for one in shoal.assignments:
            name = one["node"]
            folder = shoal.directory / name
            with named(name), working(f"opening {name}"):
                session = stack.enter_context(open_session(folder, load_manifest(folder), specs[name]))
            stages.append(Stage(name, session.node, tuple(one["inputs"]), tuple(given(one))))
            sessions.append(session)
        yield stages, sessions


def run(shoal: Shoal, node: Sequence[str], input_: Path, output: Path | None, dequantize: bool) -> Result:
    from shoal.cli import arrays
    from shoal.cli.console import progress
    from shoal.cli.run import answered
    from shoal.link import star
    from shoal.render.manifest import array_of

    described = shoal.described
    inputs, outputs = ([arrays.tensor_of(t) for t in shoal.tensors(side)] for side in ("inputs", "outputs"))
    if output is not None:
        arrays.check_output(output, len(outputs))
    rows = arrays.load_rows(input_, inputs)
    count = len(rows[0])
    specs = node_specs(shoal, node)
    given = (dict(zip(described["inputs"], (r[i].tobytes() for r in rows), strict=True)) for i in range(count))
    answers: list[list[Any]] = [[] for _ in outputs]
    retries = 0
    with opened(shoal, specs) as (stages, sessions), progress("running", count) as bar:
        for passed in bar.track(star.run(stages, given)):
            retries += passed.retries
            for values, told in zip(answers, shoal.tensors("outputs"), strict=True):
                values.append(array_of(passed.tensors[told["tensor"]], told))
    origin = {
        "model": described["name"],
        "model_sha256": described["model"]["sha256"],
        "nodes": [_origin(stage.name, session) for stage, session in zip(stages, sessions, strict=True)],
        "rows": count,
        "input": str(input_),
        "degraded": False,
    }
    made_by = [o["kind"] for o in described["operators"]]
    return answered(origin, retries, answers, outputs, described["labels"], made_by, output, dequantize)


def _origin(name: str, session: Session) -> dict[str, Any]:
    own = ("board", "firmware_sha256", "build_id", "node", "source")
    return {"name": name, **{k: session.origin[k] for k in own}}


def bench(shoal: Shoal, node: Sequence[str], runs: Callable[[str], int], steps: bool) -> Result:
    from shoal.bench.bench import total
    from shoal.bench.shoal import bench as measure
    from shoal.cli.console import console, progress

    specs = node_specs(shoal, node)
    count = sum(total(shoal.directory / name, runs(spec), steps) for name, spec in specs.items())
    with progress("measuring", count) as bar:
        document = measure(shoal.directory, shoal.described, specs, runs, steps, bar.advance)
    error = None
    if document["exact"] is False:
        error = DoesNotFit(f"the answer is not the reference's: {document['exact_reason']}", where=document["model"])

    def show() -> None:
        from shoal.report.shoal import bench_line, bench_table

        console().print(bench_table(document))
        click.echo(bench_line(document))

    return Result(document, show, error)


def test(shoal: Shoal, node: Sequence[str], input_: Path | None, count: int, junit: Path | None) -> Result:
    """The whole against the reference, then every node by itself; a node's checks carry its name."""
    from shoal import oracle
    from shoal.cli.arrays import load_rows, tensor_of
    from shoal.cli.console import console, progress
    from shoal.hil import suite
    from shoal.hil.inputs import made_up
    from shoal.hil.subject import open_subject
    from shoal.link.star import named
    from shoal.render.manifest import load as load_manifest

    specs = node_specs(shoal, node)
    rows = made_up(shoal.tensors("inputs"), count)
    if input_ is not None:
        rows += list(zip(*load_rows(input_, [tensor_of(t) for t in shoal.tensors("inputs")]), strict=True))
    why = oracle.reason()
    with progress("testing", 1 + len(specs) * len(suite.CHECKS)) as bar:
        whole, origins = _outputs(shoal, specs, rows)
        outcomes = [whole]
        bar.advance()
        for name in specs:
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


def _outputs(
    shoal: Shoal, specs: Mapping[str, str], rows: Sequence[tuple[Any, ...]]
) -> tuple[Outcome, list[dict[str, Any]]]:
    """Whether the whole's answers, pipelined, are the reference's; and where the nodes come from."""
    from time import monotonic

    from shoal import oracle
    from shoal.hil.suite import Outcome
    from shoal.link import star

    described, started = shoal.described, monotonic()
    given = [dict(zip(described["inputs"], (x.tobytes() for x in row), strict=True)) for row in rows]
    with opened(shoal, specs) as (stages, sessions):
        passed = list(star.run(stages, given))
        origins = [_origin(stage.name, session) for stage, session in zip(stages, sessions, strict=True)]
    verdict, detail = "passed", f"{len(rows)} inputs over {len(stages)} nodes, every byte"
    if oracle.reason():
        verdict, detail = "skipped", f"no reference: {oracle.reason()}"
    else:
        judge = oracle.open_oracle((shoal.directory / described["model"]["file"]).read_bytes())
        for number, (row, got) in enumerate(zip(rows, passed, strict=True)):
            want = [o.tobytes() for o in judge.run(row)]
            if want != [got.tensors[t] for t in described["outputs"]]:
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
    kinds = [n["board"] for n in shoal.described["nodes"]]
    if not named and len(set(kinds)) < len(kinds):
        raise NodeError(
            "several boards of one kind cannot be told apart", where=str(shoal.directory),
            advice="say which is which: --port NAME=PORT for each",
        )  # fmt: skip
    return _each(shoal, list(named) or shoal.names, lambda folder: one(folder, named.get(folder.name)))


def _each(shoal: Shoal, names: Sequence[str], one: Callable[[Path], Result]) -> Result:
    from shoal.link.star import named

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
