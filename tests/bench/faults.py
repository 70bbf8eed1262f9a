"""Does a shoal survive it? Boards killed, started anew, or their lines garbled or cut, at any moment while it runs.

A trial opens a shoal's folder, runs inputs through it, and at a random frame does something to a random board. What
must hold: every answer that comes is the reference's; it ends in bounded time; whoever is reported lost is the board
that it was done to; and the others answer where a plan without it exists.

    python tests/bench/faults.py DIR --trials 200 [--node host]
"""

from __future__ import annotations

import argparse
import collections
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from shoal.bench.reference import Reference
from shoal.bench.shoal import Folder
from shoal.errors import NodeError
from shoal.link.events import Event, FrameSeen
from shoal.link.hub import Timing as Asking
from shoal.link.opened import Opened, open_shoal
from shoal.link.plans import described_plans, network
from shoal.link.ports import RunPorts
from shoal.link.shoal import Request, Timing
from shoal.render.shoal import load
from shoal.tensors import Array

KINDS = ("kill", "restart", "garble", "cut")

#: processes of this computer answer at once, so that silence says more, sooner
QUICK = Timing(Asking(0.2, 0.05, 0.5, 1.5), find=1.5, still=6.0, running=6.0)

#: seconds that a trial may take
BOUND = 90.0


@dataclass(frozen=True)
class Trial:
    """What was done to whom at which frame, for how many seconds where it was to a wire."""

    kind: str
    board: str
    frame: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """`wrong`: what must not be, empty where all is well. `ended`: whole, degraded or lost: no answer, a node named."""

    trial: Trial
    ended: str
    seconds: float
    wrong: str = ""


def trials(described: Mapping[str, Any], count: int, seed: int, frames: int) -> Iterator[Trial]:
    """`frames`: about as many as one run has."""
    random = Random(seed)
    boards = [n["name"] for n in described["nodes"] if n["board"] != "host"]
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        seconds = random.choice((0.05, 0.3, 1.0, 4.0))
        yield Trial(kind, random.choice(boards), random.randrange(1, frames), seconds)


class Bench:
    """A shoal's folder, inputs, and what the reference makes of them."""

    def __init__(
        self,
        directory: Path,
        specs: Mapping[str, str],
        inputs: int | Sequence[list[Array]],
        timing: Timing | None = None,
    ) -> None:
        """`inputs`: arrays, or how many made-up ones."""
        self.described = load(directory)
        self.folder = Folder(directory, self.described, network(directory, self.described))
        if isinstance(inputs, int):
            inputs = [self.folder.made_up(1 + i) for i in range(inputs)]
        self.plans = described_plans(self.described)
        self.specs, self.timing = specs, timing
        known = Reference(directory / self.described["model"]["file"], self.described["slices"])
        self.requests = [
            Request(dict(zip(self.described["inputs"], (i.tobytes() for i in given), strict=True))) for given in inputs
        ]
        self.wanted = [[o.tobytes() for o in known.run(given)] for given in inputs]

    def frames(self) -> int:
        """How many frames a run without faults has; NodeError or an AssertionError where that does not go well."""
        seen = [0]

        def count(event: Event) -> None:
            seen[0] += isinstance(event, FrameSeen)

        with self._open(count) as made:
            assert self._outputs(made) == self.wanted, "wrong without any fault"
        return seen[0]

    def run(self, trial: Trial) -> Outcome:
        """One trial."""
        started, due, done = time.monotonic(), threading.Event(), threading.Event()

        def watch(event: Event) -> None:
            if isinstance(event, FrameSeen) and event.number >= trial.frame:
                due.set()

        ended, wrong, lost = "whole", "", set()
        with self._open(watch) as made:
            harm = threading.Thread(target=_harm, args=(made, trial, due, done))
            harm.start()
            try:
                got = self._outputs(made)
                wrong = "" if got == self.wanted else "a wrong answer"
                lost = set(made.shoal.lost)
                ended = "degraded" if lost else "whole"
            except NodeError as error:
                ended, lost = "lost", {error.where.partition(",")[0].removeprefix("node ")}
                wrong = self._excuse(error, made)
            finally:
                done.set()
                due.set()
                harm.join()
            near = _near(made, trial)
        seconds = time.monotonic() - started
        if not wrong and lost - near:
            wrong = f"{', '.join(sorted(lost - near))} reported lost"
        if not wrong and seconds > BOUND:
            wrong = f"took {seconds:.0f} s"
        return Outcome(trial, ended, seconds, wrong)

    def _excuse(self, error: NodeError, made: Opened) -> str:
        """Nothing where no plan does without the lost nodes."""
        numbers = {number for number, name in made.shoal.names.items() if name in made.shoal.lost}
        if any(not p.nodes & numbers for p in self.plans):
            return f"no answer, though a plan without the loss exists: {error}"
        return ""

    def _open(self, watch: Any) -> Any:
        directory, graph = self.folder.directory, self.folder.graph
        return open_shoal(directory, self.described, graph, self.specs, self.plans, watch=watch, timing=self.timing)

    def _outputs(self, made: Opened) -> list[list[bytes]]:
        answers = made.shoal.run(iter(self.requests))
        return [[a.tensors[t] for t in self.described["outputs"]] for a in answers]


def _near(made: Opened, trial: Trial) -> set[str]:
    """Whom a report may name: the board, and of its harmed wires the nodes at the other end."""
    if trial.kind in ("kill", "restart"):
        return {trial.board}
    return {trial.board, *(end for w in made.wires if trial.board in w.ends for end in w.ends)}


def _harm(made: Opened, trial: Trial, due: threading.Event, done: threading.Event) -> None:
    due.wait()
    if done.is_set():
        return
    ports = made.ports[trial.board]
    assert isinstance(ports, RunPorts)
    if trial.kind == "kill":
        ports.end()
    elif trial.kind == "restart":
        ports.restart()
    else:
        wires = [w.name for w in made.wires if trial.board in w.ends]
        for wire in wires:
            (made.relay.garble if trial.kind == "garble" else made.relay.cut)(wire)
        done.wait(trial.seconds)
        for wire in wires:
            made.relay.mend(wire)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="a shoal's folder")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=6, help="inferences of each trial")
    parser.add_argument("--rows", type=Path, help="real inputs as .npy")
    parser.add_argument("--node", default="emulator", choices=("emulator", "host"))
    given = parser.parse_args()
    inputs: int | list[list[Array]] = given.inputs
    if given.rows:
        inputs = [[np.ascontiguousarray(x[None])] for x in np.load(given.rows)[: given.inputs]]
    nodes = load(given.directory)["nodes"]
    specs = {n["name"]: "host" if n["board"] == "host" else given.node for n in nodes}
    bench = Bench(given.directory, specs, inputs, QUICK if given.node == "host" else None)
    ended: collections.Counter[str] = collections.Counter()
    bad, longest = [], 0.0
    for number, trial in enumerate(trials(bench.described, given.trials, given.seed, bench.frames())):
        outcome = bench.run(trial)
        ended[f"{trial.kind}: {outcome.ended}"] += 1
        longest = max(longest, outcome.seconds)
        if outcome.wrong:
            bad.append(outcome)
        mark = f"  WRONG: {outcome.wrong}" if outcome.wrong else ""
        print(f"{number:4} {trial} {outcome.ended} {outcome.seconds:.1f} s{mark}", flush=True)
    for what, count in sorted(ended.items()):
        print(f"{count:4} {what}")
    print(f"{len(bad)} of {given.trials} wrong; the longest took {longest:.1f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
