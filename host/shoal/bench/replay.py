"""What a pipelined run would have taken on real boards and wires: its log, replayed as discrete events.

Emulated boards have no clock in common, so the log gives no times: it says who asked whom for what, how long each
frame was, which were lost, how many inputs were under way at once. The replay runs these questions again in the order
of each asker, with counted compute and modelled wires, and obeys what a shoal does (docs/link.md): a node asks one
question at a time and waits for its answer, the hub asks one of each node; a frame has its way of a wire to itself and
is sent on when it is whole; a node has one receive slot and one retain slot, refuses an inference that it has no room
for until it says that it has, and runs one chunk at a time. Every time that comes out is `model`.

Left out: what nodes take for frames beside computing, ticks, and the host's questions about how nodes are."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shoal.errors import BadInput
from shoal.link.conditions import PERFECT, Conditions
from shoal.link.events import Event, FrameSeen
from shoal.link.messages import HOST_NODE, REPLY, Status, Type

if TYPE_CHECKING:
    import simpy

HUB = "hub"

#: what is said beside its figures
ASSUMPTION = (
    "replayed from the frames that were exchanged: wires at their line rate and delay, one frame at a time each way;"
    " nodes and the host take no time for frames"
)

#: seconds until an inference that was refused for want of room is offered again, unless the node says earlier that it
#: has room now, in a frame of so many bytes
FULL_PAUSE = 0.1
READY_BYTES = 15
#: seconds until a question without an answer is asked again: doubled each time, up to the slowest
RETRY, SLOWEST_RETRY = 0.2, 1.0
#: refusals after which an inference will never find room: the log is not one of a run that went well
_REFUSALS = 100_000

_ASKED = (Type.BEGIN, Type.DELIVER, Type.DONE, Type.RELEASE)

_Steps = Generator["simpy.Event", Any, Any]


@dataclass(frozen=True)
class Member:
    """A node: its chunk takes `compute` seconds. `receives`: it has a receive slot, else tensors are delivered in place
    once the arena is free. `retains`: it has a retain slot, else what it gave lies in the arena until it is sent.
    `overlaps`: with a retain slot, it computes the next inference while it sends what the last one gave."""

    name: str
    number: int
    compute: float
    receives: bool = True
    retains: bool = True
    overlaps: bool = False

    @property
    def sends_meanwhile(self) -> bool:
        return self.retains and self.overlaps


@dataclass(frozen=True)
class Wire:
    """`ends`: names of nodes, or HUB. Each way carries `bandwidth` bytes per second of whole frames, `delay` seconds
    late; `link`: what slows it down further, over the time of the replay. What it loses the log knows."""

    name: str
    ends: tuple[str, str]
    bandwidth: float
    delay: float = 0.0
    link: Conditions = PERFECT

    def sending(self, size: int, now: float) -> float:
        """Seconds until that many bytes are on the line."""
        return size / min(self.bandwidth, self.link.at(now).bandwidth)

    def delayed(self, now: float) -> float:
        return self.delay + self.link.at(now).delay


@dataclass(frozen=True)
class Computed:
    node: str
    inference: int
    start: float
    end: float


@dataclass(frozen=True)
class Carried:
    """A frame on one way of one wire. `answer`: it answers a question of this type."""

    wire: str
    sender: str
    inference: int
    type: Type
    answer: bool
    start: float
    end: float


@dataclass(frozen=True)
class Stage:
    """What takes turns in a pipeline: seconds of one inference, alone. `kind`: what is done in one go, as
    in `computes, sends`; `carries`: one way of a wire."""

    name: str
    kind: str
    seconds: float


@dataclass(frozen=True)
class Replayed:
    """Seconds from the first question on; `begun` and `answered` in the order of `inferences`. `in_flight`: inferences
    that may be under way at once; `seen_in_flight`: that were in the log."""

    inferences: tuple[int, ...]
    computed: tuple[Computed, ...]
    carried: tuple[Carried, ...]
    begun: tuple[float, ...]
    answered: tuple[float, ...]
    in_flight: int
    seen_in_flight: int
    stages: tuple[Stage, ...]
    #: seconds of all stages of a chain, one after another
    sum: float

    @property
    def filling(self) -> int:
        """Inferences until the pipeline is full."""
        return self.in_flight

    def throughput(self) -> float:
        """Answers per second once the pipeline is full; 0 where the run is too short to tell."""
        full = self.answered[self.filling - 1 :]
        return (len(full) - 1) / (full[-1] - full[0]) if len(full) > 1 and full[-1] > full[0] else 0.0

    def latency(self) -> float:
        """Median seconds from an inference's first question to its answer."""
        return statistics.median(b - a for a, b in zip(self.begun, self.answered, strict=True))

    @property
    def longest(self) -> Stage:
        return max(self.stages, key=lambda s: s.seconds)


@dataclass
class _Question:
    source: int
    destination: int
    type: Type
    inference: int
    tensor: int | None
    bytes: int = 0
    answer_bytes: int = 0
    lost: int = 0


@dataclass
class _Script:
    """What a log says that the replay obeys. `asked`: questions in the order in which they were first asked; `ways`:
    what carries a frame from one node to another, hop by hop."""

    asked: list[_Question] = field(default_factory=list)
    ways: dict[tuple[int, int], list[tuple[Wire, str]]] = field(default_factory=dict)
    in_flight: int = 1
    inferences: list[int] = field(default_factory=list)


def replay(
    events: Iterable[Event], members: Sequence[Member], wires: Sequence[Wire], in_flight: int | None = None
) -> Replayed:
    """Replays the last epoch of a log. `in_flight`: inferences under way at once, by default as many as in the log.

    BadInput where the log has no whole inference, or frames on wires or of nodes that are not given."""
    script = _read(events, members, wires)
    return _Replay(script, members, in_flight or script.in_flight).run(_stages(script, members))


# reading the log


def _read(events: Iterable[Event], members: Sequence[Member], wires: Sequence[Wire]) -> _Script:
    frames = [e for e in events if isinstance(e, FrameSeen)]
    named = {HOST_NODE: HUB, **{m.number: m.name for m in members}}
    by_name = {w.name: w for w in wires}
    begun = [f for f in frames if f.type == Type.BEGIN and f.source == HOST_NODE]
    if not begun:
        raise BadInput("nothing was begun in this log", where="the log of a shoal")
    epoch = begun[-1].epoch
    frames = frames[next(i for i, f in enumerate(frames) if f.epoch == epoch) :]
    unknown = {f.wire for f in frames} - by_name.keys() | ({f.source for f in frames} - named.keys())
    if unknown:
        raise BadInput(f"the log speaks of {', '.join(map(str, sorted(unknown, key=str)))}", where="the log of a shoal")
    script = _Script()
    _read_questions(script, frames, epoch)
    _read_ways(script, frames, named, by_name)
    _read_window(script, frames, epoch)
    return script


def _read_questions(script: _Script, frames: Sequence[FrameSeen], epoch: int | None) -> None:
    found: dict[tuple[Any, ...], _Question] = {}
    # which question a sequence number stands for at the moment
    current: dict[tuple[int, int, int, int], _Question] = {}
    for f in frames:
        if f.type in _ASKED and f.epoch == epoch and f.inference is not None:
            key = (f.source, f.destination, f.type, f.inference, f.tensor, f.offset)
            if key not in found:
                asked = _Question(f.source, f.destination, Type(f.type), f.inference, f.tensor, f.wire_bytes)
                found[key] = asked
                script.asked.append(asked)
            current[f.source, f.destination, f.type, f.sequence] = found[key]
            found[key].lost += f.lost
        elif f.type & REPLY:
            answered = current.get((f.destination, f.source, f.type & ~REPLY, f.sequence))
            if answered is not None:
                answered.lost += f.lost
                if f.status == Status.OK or not answered.answer_bytes:
                    answered.answer_bytes = f.wire_bytes


def _read_ways(
    script: _Script, frames: Sequence[FrameSeen], named: Mapping[int, str], wires: Mapping[str, Wire]
) -> None:
    hops: dict[tuple[int, int], dict[str, Wire]] = defaultdict(dict)
    for f in frames:
        hops[f.source, f.destination].setdefault(f.sender, wires[f.wire])
    for (source, destination), onward in hops.items():
        way: list[tuple[Wire, str]] = []
        at = named[source]
        while at in onward and len(way) <= len(onward):
            way.append((onward[at], at))
            at = next(end for end in onward[at].ends if end != at)
        if way and at == named.get(destination):
            script.ways[source, destination] = way
    for asked in script.asked:
        there, back = (asked.source, asked.destination), (asked.destination, asked.source)
        if there not in script.ways and back not in script.ways:
            raise BadInput(f"nothing arrives from node {there[0]} at node {there[1]}", where="the log of a shoal")
        for known, other in ((there, back), (back, there)):
            if other not in script.ways:
                mirrored = [(w, next(e for e in w.ends if e != sender)) for w, sender in script.ways[known]]
                script.ways[other] = mirrored[::-1]


def _read_window(script: _Script, frames: Sequence[FrameSeen], epoch: int | None) -> None:
    """Inferences in their order, and how many of them were under way at once: begun, and not all told to the host."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    told: set[tuple[object, ...]] = set()
    answered = {f.inference for f in frames if f.type == Type.DELIVER and f.destination == HOST_NODE}
    for number, f in enumerate(frames):
        if f.epoch == epoch and f.inference is not None:
            if f.type == Type.BEGIN and f.source == HOST_NODE:
                first.setdefault(f.inference, number)
            elif f.inference in answered and f.destination == HOST_NODE:
                said = (f.source, f.type, f.inference, f.tensor, f.offset)
                if said not in told:  # a repeated frame tells nothing new
                    told.add(said)
                    last[f.inference] = number
    script.inferences = [i for i in first if i in last]
    if not script.inferences:
        raise BadInput("nothing was answered in this log", where="the log of a shoal")
    script.asked = [q for q in script.asked if q.inference in last and q.inference in first]
    turns = sorted([(n, 1) for i, n in first.items() if i in last] + [(n, -1) for i, n in last.items() if i in first])
    script.in_flight = max(itertools.accumulate(step for _, step in turns))


# what an inference takes alone


def _alone(script: _Script, asked: _Question) -> float:
    there = script.ways[asked.source, asked.destination]
    back = script.ways[asked.destination, asked.source]
    waits = sum(_retry_wait(n) for n in range(asked.lost))
    return _travel(there, asked.bytes) + _travel(back, asked.answer_bytes) + waits


def _travel(way: Sequence[tuple[Wire, str]], size: int) -> float:
    return sum(wire.sending(size, 0.0) + wire.delayed(0.0) for wire, _ in way)


def _retry_wait(tries: int) -> float:
    return min(RETRY * 2.0**tries, SLOWEST_RETRY)


def _sum(script: _Script, members: Iterable[Member]) -> float:
    """What is told when a chunk is done holds nothing up, and does not count."""
    carried = sum(_alone(script, q) for q in script.asked if q.type in (Type.BEGIN, Type.DELIVER))
    return carried / len(script.inferences) + sum(m.compute for m in members)


def _stages(script: _Script, members: Sequence[Member]) -> tuple[Stage, ...]:
    """What keeps a node, or a way of a wire, busy with each inference; what happens elsewhere meanwhile is no part."""
    count = len(script.inferences)
    sent: dict[int, float] = defaultdict(float)
    fed: dict[int, float] = defaultdict(float)
    taken: dict[int, float] = defaultdict(float)
    on_wires: dict[tuple[str, str], float] = defaultdict(float)
    for q in script.asked:
        alone = _alone(script, q) / count
        taken[q.destination] += alone
        if q.source == HOST_NODE:
            fed[q.destination] += alone
        else:
            sent[q.source] += alone
        for way, size in ((script.ways[q.source, q.destination], q.bytes),
                          (script.ways[q.destination, q.source], q.answer_bytes)):  # fmt: skip
            for wire, sender in way:
                on_wires[wire.name, sender] += wire.sending(size, 0.0) / count
    stages = [Stage(f"{HUB} to {m.name}", "sends", fed[m.number]) for m in members if m.number in fed]
    for m in members:
        receive, send = taken[m.number], sent[m.number]
        if m.receives:
            parts = (
                {"computes": m.compute, "sends": send} if m.sends_meanwhile else {"computes, sends": m.compute + send}
            )
        elif m.retains:
            after = {"sends": send} if m.sends_meanwhile else {"computes, sends": m.compute + send}
            parts = {"receives, computes": receive + m.compute, **after}
        else:
            parts = {"receives, computes, sends": receive + m.compute + send}
        stages += [Stage(m.name, kind, seconds) for kind, seconds in parts.items()]
    stages += [Stage(f"{wire} from {sender}", "carries", seconds) for (wire, sender), seconds in on_wires.items()]
    return tuple(stages)


# running it again


class _Slot:
    """Room for one inference; `freed` happens when there is room again."""

    def __init__(self, environment: simpy.Environment) -> None:
        self._environment = environment
        self.freed = environment.event()
        self.holds: int | None = None

    def free(self) -> None:
        self.holds = None
        freed, self.freed = self.freed, self._environment.event()
        freed.succeed()

    def take(self, inference: int) -> _Steps:
        while self.holds is not None:
            yield self.freed
        self.holds = inference


class _Replay:
    def __init__(self, script: _Script, members: Sequence[Member], in_flight: int) -> None:
        import simpy

        self.script = script
        self.in_flight = in_flight
        self.members = {m.number: m for m in members}
        self.environment = environment = simpy.Environment()
        self.resource = simpy.Resource
        self.lines: dict[tuple[str, str], simpy.Resource] = {}
        self.receive = {n: _Slot(environment) for n in self.members}
        self.retain = {n: _Slot(environment) for n in self.members}
        self.computed: list[Computed] = []
        self.carried: list[Carried] = []
        self.begun: dict[int, float] = {}
        self.answered_at: dict[int, float] = {}
        self.answered = {i: environment.event() for i in script.inferences}
        #: what the host is still to be told of an inference until it takes another, and that it was
        self.untold: dict[int, int] = defaultdict(int)
        self.told = {i: environment.event() for i in script.inferences}
        #: pieces that a node, or the host, still waits for; what happens when none is left
        self.missing: dict[tuple[int, int], int] = defaultdict(int)
        self.complete: dict[tuple[int, int], simpy.Event] = defaultdict(environment.event)
        self.ran: dict[tuple[int, int], simpy.Event] = defaultdict(environment.event)
        #: the same of one tensor at the host, which may have to deliver it further
        self.pieces: dict[tuple[int, int | None], int] = defaultdict(int)
        self.kept: dict[tuple[int, int | None], simpy.Event] = defaultdict(environment.event)
        #: and what the host has from the start
        self.had: set[tuple[int, int | None]] = set()
        self.turns: dict[int, list[int]] = {n: [] for n in self.members}

    def run(self, stages: tuple[Stage, ...]) -> Replayed:
        self._count()
        queues: dict[tuple[int, int], list[_Question]] = defaultdict(list)
        for q in self.script.asked:
            if q.type == Type.RELEASE:
                self.environment.process(self._release(q))
            else:
                # a node asks one question at a time, the host one of each node
                queues[q.source, q.destination if q.source == HOST_NODE else 0].append(q)
        for (source, _), questions in queues.items():
            asking = self._feed(questions) if source == HOST_NODE else self._send(source, questions)
            self.environment.process(asking)
        for number in self.members:
            self.environment.process(self._compute(number))
        self.environment.run()
        unanswered = [i for i in self.script.inferences if i not in self.answered_at]
        if unanswered:
            raise BadInput(f"inference {unanswered[0]} does not come to an answer", where="the log of a shoal")
        return Replayed(
            inferences=tuple(self.script.inferences),
            computed=tuple(self.computed),
            carried=tuple(self.carried),
            begun=tuple(self.begun[i] for i in self.script.inferences),
            answered=tuple(self.answered_at[i] for i in self.script.inferences),
            in_flight=self.in_flight,
            seen_in_flight=self.script.in_flight,
            stages=stages,
            sum=_sum(self.script, self.members.values()),
        )

    def _count(self) -> None:
        """What has to come in before each chunk runs: what was delivered before the node said what it gave."""
        spoke = set()
        for q in self.script.asked:
            if q.source != HOST_NODE:
                spoke.add((q.source, q.inference))
            if q.type in (Type.DELIVER, Type.DONE) and q.destination == HOST_NODE:
                self.untold[q.inference] += 1
            if q.type == Type.DELIVER and (q.destination, q.inference) not in spoke:
                self.missing[q.destination, q.inference] += 1
            if q.type == Type.DELIVER and q.destination == HOST_NODE:
                self.pieces[q.inference, q.tensor] += 1
            if q.type == Type.DELIVER and q.source == HOST_NODE and (q.inference, q.tensor) not in self.pieces:
                self.had.add((q.inference, q.tensor))
            if q.type == Type.BEGIN and q.destination != HOST_NODE:
                turns = self.turns[q.destination]
                if q.inference not in turns:
                    turns.append(q.inference)

    # who does what

    def _feed(self, questions: Sequence[_Question]) -> _Steps:
        """The host's questions to one node."""
        order = {inference: i for i, inference in enumerate(self.script.inferences)}
        for q in questions:
            before = order[q.inference] - self.in_flight
            if before >= 0:
                yield self.told[self.script.inferences[before]]
            if q.type == Type.DELIVER and (q.inference, q.tensor) not in self.had:
                yield self.kept[q.inference, q.tensor]
            self.begun.setdefault(q.inference, self.environment.now)
            yield from self._ask(q)

    def _release(self, q: _Question) -> _Steps:
        yield self.answered[q.inference]
        yield from self._ask(q)

    def _send(self, number: int, questions: Sequence[_Question]) -> _Steps:
        """What a node gives on: its outputs, then that it is done."""
        held = {q.inference for q in self.script.asked if q.type == Type.RELEASE and q.destination == number}
        for inference, asked in itertools.groupby(questions, lambda q: q.inference):
            yield self.ran[number, inference]
            for q in asked:
                yield from self._ask(q)
            if inference not in held:
                self._let_go(number)

    def _let_go(self, number: int) -> None:
        self.retain[number].free()
        if not (self.members[number].receives or self.members[number].retains):
            self.receive[number].free()

    def _compute(self, number: int) -> _Steps:
        member = self.members[number]
        for inference in self.turns[number]:
            yield self.complete[number, inference]
            if not member.sends_meanwhile:
                yield from self.retain[number].take(inference)
            if member.receives:
                self.receive[number].free()
            start = self.environment.now
            yield self.environment.timeout(member.compute)
            self.computed.append(Computed(member.name, inference, start, self.environment.now))
            if member.sends_meanwhile:
                yield from self.retain[number].take(inference)
            if member.retains and not member.receives:
                self.receive[number].free()
            self.ran[number, inference].succeed()

    # questions and frames

    def _ask(self, q: _Question) -> _Steps:
        there = self.script.ways[q.source, q.destination]
        back = self.script.ways[q.destination, q.source]
        for tries in range(q.lost):
            # whether the question was lost or its answer: its asker waits as long
            wait = self.environment.timeout(_retry_wait(tries))
            yield from self._carry(there, q, q.bytes, answer=False)
            yield wait
        for _ in range(_REFUSALS):
            yield from self._carry(there, q, q.bytes, answer=False)
            refused = self._arrive(q)
            yield from self._carry(back, q, q.answer_bytes, answer=True)
            if refused is None:
                return
            yield refused | self.environment.timeout(FULL_PAUSE)
            if refused.triggered:
                yield from self._carry(back, q, READY_BYTES, answer=True)

    def _carry(self, way: Sequence[tuple[Wire, str]], q: _Question, size: int, *, answer: bool) -> _Steps:
        for wire, sender in way:
            line = self.lines.setdefault((wire.name, sender), self.resource(self.environment))
            with line.request() as turn:
                yield turn
                start = self.environment.now
                yield self.environment.timeout(wire.sending(size, start))
                end = self.environment.now
            self.carried.append(Carried(wire.name, sender, q.inference, q.type, answer, start, end))
            yield self.environment.timeout(wire.delayed(end))

    def _arrive(self, q: _Question) -> simpy.Event | None:
        """What a question does where it arrives; if that has no room for it, what happens when it has."""
        if q.type == Type.BEGIN and q.destination != HOST_NODE:
            slot = self.receive[q.destination]
            if slot.holds is None:
                slot.holds = q.inference
            return None if slot.holds == q.inference else slot.freed
        if q.type == Type.RELEASE:
            self._let_go(q.destination)
        if q.type in (Type.DELIVER, Type.DONE) and q.destination == HOST_NODE:
            self.untold[q.inference] -= 1
            if self.untold[q.inference] == 0:
                self.told[q.inference].succeed()
        if q.type == Type.DELIVER:
            place = (q.destination, q.inference)
            self.missing[place] -= 1
            if self.missing[place] == 0:
                self.complete[place].succeed()
                if q.destination == HOST_NODE:
                    self.answered_at[q.inference] = self.environment.now
                    self.answered[q.inference].succeed()
            if q.destination == HOST_NODE:
                piece = (q.inference, q.tensor)
                self.pieces[piece] -= 1
                if self.pieces[piece] == 0:
                    self.kept[piece].succeed()
        return None


# as a document


def figures(
    events: Iterable[Event], members: Sequence[Member], wires: Sequence[Wire], in_flight: int | None = None
) -> dict[str, Any]:
    """Of `shoal bench` of a shoal: `latency` of one input alone, `throughput` with as many under way as the host allows
    (`in_flight`; by default as were in the log), `stages` and `timeline`. Raises what `replay` raises."""
    seen = list(events)
    full, alone = replay(seen, members, wires, in_flight), replay(seen, members, wires, 1)
    computing = sum(m.compute for m in members)
    return {
        "latency": {
            "milliseconds_estimated": _milliseconds(alone.latency()),
            "compute_milliseconds": _milliseconds(computing),
            "link_milliseconds": _milliseconds(max(alone.latency() - computing, 0.0)),
            "source": "model",
            "assumption": ASSUMPTION,
        },
        "throughput": {
            "per_second_estimated": round(full.throughput(), 6),
            "one_at_a_time_per_second": round(alone.throughput(), 6),
            "longest_stage": full.longest.name,
            "longest_stage_milliseconds": _milliseconds(full.longest.seconds),
            "in_flight": full.in_flight,
            "seen_in_flight": full.seen_in_flight,
            "inputs": len(full.answered) - full.filling,
            "source": "model",
            "assumption": ASSUMPTION,
        },
        "stages": [{"name": s.name, "kind": s.kind, "milliseconds": _milliseconds(s.seconds)} for s in full.stages],
        "timeline": timeline(full, members, wires),
    }


def timeline(replayed: Replayed, members: Sequence[Member], wires: Sequence[Wire]) -> dict[str, Any]:
    """Who does what when, in milliseconds: `lanes` (nodes and wires, in the order given), `spans` of each; inputs are
    counted from 0. Frames of an inference that follow each other on one way of a wire are one span, questions apart
    from answers."""
    place = {inference: i for i, inference in enumerate(replayed.inferences)}
    longest = max((c.end - c.start for c in replayed.carried), default=0.0)
    lanes: list[dict[str, Any]] = [{"name": m.name, "kind": "node", "ends": None} for m in members]
    lanes += [{"name": w.name, "kind": "wire", "ends": list(w.ends)} for w in wires]
    spans: list[dict[str, Any]] = [
        _span(c.node, None, "compute", place[c.inference], c.start, c.end) for c in replayed.computed
    ]
    groups: dict[tuple[Any, ...], list[Carried]] = defaultdict(list)
    for c in replayed.carried:
        groups[c.wire, c.sender, c.answer, place[c.inference]].append(c)
    for (wire, sender, answer, number), frames in groups.items():
        frames.sort(key=lambda c: c.start)
        start, end = frames[0].start, frames[0].end
        for c in frames[1:]:
            # an answer's way, and as long again
            if c.start - end > 2 * longest + 2 * max(w.delayed(0.0) for w in wires):
                spans.append(_span(wire, sender, "answer" if answer else "transfer", number, start, end))
                start = c.start
            end = c.end
        spans.append(_span(wire, sender, "answer" if answer else "transfer", number, start, end))
    spans.sort(key=lambda s: (s["start"], s["lane"], s["kind"]))
    return {
        "source": "model",
        "in_flight": replayed.in_flight,
        "filling": replayed.filling,
        "answered": [_milliseconds(t) for t in replayed.answered],
        "lanes": lanes,
        "spans": spans,
    }


def _span(lane: str, sender: str | None, kind: str, number: int, start: float, end: float) -> dict[str, Any]:
    return {
        "lane": lane,
        "from": sender,
        "kind": kind,
        "input": number,
        "start": _milliseconds(start),
        "end": _milliseconds(end),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 4)
