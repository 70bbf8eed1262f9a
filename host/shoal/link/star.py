"""A star: every node on the host, which feeds the first chunk, carries crossing tensors on and takes the answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from shoal.errors import NodeError
from shoal.link.node import Node


@dataclass(frozen=True)
class Stage:
    """A chunk on an open node: the tensors that it takes and gives, by index, in its own order."""

    name: str
    node: Node
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Passed:
    """All crossing tensors of one inference by index, the network's inputs and outputs among them; `retries`: frames
    that were sent again."""

    tensors: Mapping[int, bytes]
    retries: int = 0


@contextmanager
def named(name: str) -> Iterator[None]:
    """Says which node it was that an error of a node is about."""
    try:
        yield
    except NodeError as error:
        where = f"node {name}" + (f", {error.where}" if error.where else "")
        raise NodeError(error.what, where=where, advice=error.advice) from error


def run(stages: Sequence[Stage], inputs: Iterable[Mapping[int, bytes]]) -> Iterator[Passed]:
    """Answers in the order of the inputs. Pipelined: each node works on an input of its own, and no more inputs are
    under way than one for each node and one to follow. NodeError, with the node's name, as soon as one is lost; every
    wait is as bounded as the nodes' own calls."""
    with ExitStack() as stack:
        workers = [stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix=s.name)) for s in stages]
        for worker in workers:
            stack.callback(worker.shutdown, wait=False, cancel_futures=True)
        under_way: deque[Future[Passed]] = deque()
        for given in inputs:
            under_way.append(_started(stages, workers, given))
            if len(under_way) > len(stages):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _started(
    stages: Sequence[Stage], workers: Sequence[ThreadPoolExecutor], given: Mapping[int, bytes]
) -> Future[Passed]:
    """One inference, queued at every stage: a stage's worker takes inputs in their order and waits for the stage in
    front of it."""
    before: Future[Passed] = Future()
    before.set_result(Passed(given))
    for stage, worker in zip(stages, workers, strict=True):
        before = worker.submit(_step, stage, before)
    return before


def _step(stage: Stage, before: Future[Passed]) -> Passed:
    passed = before.result()
    with named(stage.name):
        answer = stage.node.run([passed.tensors[t] for t in stage.inputs])
    made = dict(zip(stage.outputs, answer.outputs, strict=True))
    return Passed({**passed.tensors, **made}, passed.retries + answer.retries)
