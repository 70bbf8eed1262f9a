"""The hardware-in-the-loop checks: plain functions that say what they saw, or raise Failed or Skipped.

`shoal test` runs them one after another; tests/hil runs the same ones under pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np

from shoal.bench.exact import in_front_of_saturation
from shoal.bench.reference import Reference
from shoal.errors import NodeError
from shoal.hil.garbled import Garbled
from shoal.hil.subject import Subject
from shoal.link.client import Stream, StreamNode
from shoal.link.messages import FaultKind
from shoal.render.manifest import own_steps
from shoal.tensors import Array


class Failed(Exception):
    """The node does not do what it must."""


class Skipped(Exception):
    """The check has nothing to say here, for the reason given."""


Check = Callable[[Subject], str]


@dataclass(frozen=True)
class Outcome:
    """`verdict`: passed, failed or skipped; `detail`: what was seen."""

    name: str
    verdict: str
    detail: str
    seconds: float


def identity(subject: Subject) -> str:
    """The node is the one that was built: build id, model, board, tool version, sizes."""
    said, manifest = subject.session.node.identify(), subject.manifest
    board = "host" if subject.session.origin["source"] == "host" else manifest["board"]
    expected = {
        "build_id": subject.built.build_id,
        "model_sha256": manifest["model"]["sha256"],
        "model_name": manifest["name"],
        "board": board,
        "tool_version": manifest["tool_version"],
        "arena_bytes": manifest["arena_bytes"],
        "steps": len(manifest["steps"]),
        "input_bytes": tuple(t["bytes"] for t in manifest["inputs"]),
        "output_bytes": tuple(t["bytes"] for t in manifest["outputs"]),
    }
    for name, value in expected.items():
        _expect(getattr(said, name) == value, f"{name} is {getattr(said, name)}, expected {value}")
    return f"build {said.build_id[:12]}, model {said.model_sha256[:12]}, protocol {said.protocol}"


def exact(subject: Subject) -> str:
    """Every output byte is the reference's, on all inputs."""
    oracle = _oracle(subject)
    for number, inputs in enumerate(subject.inputs):
        got = subject.session.run(inputs).outputs
        for output, (mine, theirs) in enumerate(zip(got, oracle.run(inputs), strict=True)):
            _expect_equal(mine, theirs, f"input {number}, output {output}")
    return f"{len(subject.inputs)} inputs, every byte"


def exact_in_front(subject: Subject) -> str:
    """The tensor in front of a final softmax or logistic is the reference's, too: saturation hides much."""
    oracle = _oracle(subject)
    found = in_front_of_saturation(subject.manifest)
    if found is None:
        raise Skipped("no final softmax or logistic")
    step, tensor = found
    for number, inputs in enumerate(subject.inputs):
        oracle.run(inputs)
        subject.session.load(inputs)
        subject.session.node.run_steps(0, step + 1)
        _expect_equal(subject.session.read(tensor), oracle.tensor(tensor["tensor"]), f"input {number}")
    return f"{len(subject.inputs)} inputs, tensor {tensor['name']}"


def repeated(subject: Subject) -> str:
    """An inference leaves nothing behind: the same input gives the same bytes after any other."""
    rows = subject.inputs[:4]
    first = [_bytes(subject.session.run(r).outputs) for r in rows]
    for number in (*range(len(rows)), *reversed(range(len(rows)))):
        again = _bytes(subject.session.run(rows[number]).outputs)
        _expect(again == first[number], f"input {number} was answered differently the second time")
    return f"{len(rows)} inputs, three times each"


def step_by_step(subject: Subject) -> str:
    """Running the steps one by one comes to the same as running them at once."""
    session, inputs = subject.session, subject.inputs[0]
    whole = _bytes(session.run(inputs).outputs)
    session.load(inputs)
    count = len(own_steps(subject.manifest))
    for step in range(count):
        session.node.run_steps(step, step + 1)
    alone = _bytes([session.read(t) for t in subject.manifest["outputs"]])
    _expect(whole == alone, "the outputs differ")
    return f"{count} steps"


def reset(subject: Subject) -> str:
    """After a reset the node is the same and answers the same."""
    session = subject.session
    before, answer = session.node.identify(), _bytes(session.run(subject.inputs[0]).outputs)
    session.node.reset()
    _expect(session.node.identify() == before, "it identifies itself differently after a reset")
    _expect(_bytes(session.run(subject.inputs[0]).outputs) == answer, "it answers differently after a reset")
    return "same identity, same answer"


def stack(subject: Subject) -> str:
    """The painted stack was never used up, and the model's share is part of the whole."""
    said = subject.session.node.identify()
    if said.stack_size == 0:
        raise Skipped("this node does not paint its stack")
    answer = subject.session.run(subject.inputs[0]).answer
    used, most = answer.stack_total_bytes, said.stack_size
    _expect(0 < answer.stack_bytes <= used, f"the model used {answer.stack_bytes} B of {used} B used in all")
    _expect(used < most, f"{used} B of {most} B used: it is full or has overflowed")
    bound = subject.built.stack_bound_bytes
    _expect(bound is None or used <= bound, f"{used} B used, the call graph bounds it by {bound} B")
    return f"{used:,} B of {most:,} B, {answer.stack_bytes:,} B of them below the call of the model"


def memory(subject: Subject) -> str:
    """Sizes that the node states are the linker's."""
    said, built = subject.session.node.identify(), subject.built
    _expect(said.arena_bytes == built.arena_bytes, f"arena {said.arena_bytes} B, linked {built.arena_bytes} B")
    if said.static_bytes == 0:
        return f"arena {said.arena_bytes:,} B; this node does not know its static data"
    _expect(said.static_bytes == built.static_bytes, f"static {said.static_bytes} B, linked {built.static_bytes} B")
    return f"arena {said.arena_bytes:,} B, static {said.static_bytes:,} B"


def garbled_link(subject: Subject) -> str:
    """Frames that are lost, damaged, repeated or cut cost retries, never a wrong answer."""
    node = _stream_node(subject)
    fetched = _fetched(subject.manifest)
    # where each run fetches a store over the same line, one input is traffic enough
    clean = [_bytes(subject.session.run(row).outputs) for row in subject.inputs[: 1 if fetched else 4]]
    # about eight harmed frames, whatever the size of the tensors: each may cost half a second
    tensors = sum(_pieces(t) for t in (*subject.manifest["inputs"], *subject.manifest["outputs"]))
    rate = min(0.15, 8 / (len(clean) * (4 + tensors + fetched)))
    lines: list[Garbled] = []

    def garble(line: Stream) -> Stream:
        lines.append(Garbled(line, rate))
        return lines[0]

    before = node.retries
    with node.through(garble):
        for number, want in enumerate(clean):
            got = _bytes(subject.session.run(subject.inputs[number]).outputs)
            _expect(got == want, f"input {number} was answered wrongly over a garbled line")
    _expect(_bytes(subject.session.run(subject.inputs[0]).outputs) == clean[0], "wrong once the line was clean again")
    return f"{len(clean)} inputs, {lines[0].harmed} frames harmed, {node.retries - before} frames sent again"


def _pieces(tensor: Mapping[str, Any]) -> int:
    """In about how many pieces a tensor of the manifest travels: questions and answers of its rows, or requests."""
    rows = tensor["rows"]
    if rows is None:
        return int(tensor["bytes"] // 100)
    return int(2 * rows["count"] * rows["passes"] * (1 + rows["bytes"] // 240))


def _fetched(manifest: Mapping[str, Any]) -> int:
    """In about how many frames, questions and answers, a run fetches its store; 0 where it fetches none."""
    store = manifest["store"]
    return 0 if store is None or store["mapped"] else int(2 * (1 + store["bytes"] // 240))


def fault_reports(subject: Subject) -> str:
    """A fault is told over the link with its kind, and the node is there again afterwards."""
    node, kinds = _stream_node(subject), _faults(subject)
    if not kinds:
        raise Skipped("the board file names no fault that can be raised here")
    answer = _bytes(subject.session.run(subject.inputs[0]).outputs)
    for kind in kinds:
        provoked = node.provoke(kind)
        fault = provoked.told or provoked.kept
        name = kind.name.lower()
        if fault is None:
            raise Failed(f"{name} was raised and not reported")
        _expect(fault.kind == kind, f"{name} was raised, {fault.kind.name.lower()} reported")
        # of a stack that ran over, the place of the program was not saved
        place = fault.pc or fault.address or fault.stack
        _expect(place != 0, f"{name} was reported without a place")
        again = _bytes(subject.session.run(subject.inputs[0]).outputs)
        _expect(again == answer, f"after {name} it answers differently")
    return ", ".join(kind.name.lower() for kind in kinds)


def _faults(subject: Subject) -> list[FaultKind]:
    """What the board file says can be raised; a host process can raise all."""
    if subject.session.origin["source"] == "host":
        return list(FaultKind)
    emulator = subject.board.emulator
    return [] if emulator is None else [FaultKind[name.upper()] for name in emulator.faults]


def _stream_node(subject: Subject) -> StreamNode:
    node = subject.session.node
    if not isinstance(node, StreamNode):
        raise Skipped("there is no line to this node")
    return node


#: every check by its name, in the order in which they run
CHECKS: dict[str, Check] = {
    "identity": identity,
    "memory": memory,
    "outputs": exact,
    "before softmax": exact_in_front,
    "repeated": repeated,
    "step by step": step_by_step,
    "stack": stack,
    "garbled link": garbled_link,
    "reset": reset,
    "fault reports": fault_reports,
}

#: the checks that compare bytes with the reference's
EXACTNESS = {"outputs", "before softmax"}


def run(subject: Subject) -> Iterator[Outcome]:
    """All checks, each once. A node that does not even identify itself raises NodeError: nothing else can be said."""
    for name, check in CHECKS.items():
        started = monotonic()
        try:
            verdict, detail = "passed", check(subject)
        except Skipped as reason:
            verdict, detail = "skipped", str(reason)
        except Failed as failure:
            verdict, detail = "failed", str(failure)
        except NodeError as error:
            if check is identity:
                raise
            verdict, detail = "failed", str(error)
        yield Outcome(name, verdict, detail, monotonic() - started)


def _oracle(subject: Subject) -> Reference:
    if subject.oracle is None:
        raise Skipped(f"no reference: {subject.why_no_oracle}")
    return subject.oracle


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)


def _expect_equal(got: Array, want: Array, where: str) -> None:
    got, want = got.reshape(-1), np.asarray(want).reshape(-1)
    _expect(got.size == want.size, f"{where}: {got.size} values, the reference has {want.size}")
    # compared as bytes: a NaN equals itself
    differs = np.flatnonzero((got.view(np.uint8) != want.view(np.uint8)).reshape(got.size, -1).any(axis=1))
    if differs.size:
        at = int(differs[0])
        raise Failed(f"{where}: {differs.size} of {got.size} values differ, first at {at}: {got[at]}, not {want[at]}")


def _bytes(outputs: list[Array]) -> bytes:
    return b"".join(o.tobytes() for o in outputs)
