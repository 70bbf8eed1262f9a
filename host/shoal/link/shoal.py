"""A shoal that runs: several inferences under way at once, and what becomes of them when nodes are lost.

An **epoch** is a stretch without trouble: the host starts it on every node (START), gives each inference a number and a
plan packet, feeds the nodes that no other node feeds, and keeps what comes to it. Trouble, a node that is silent,
started anew, or tells that its neighbour does not answer, ends the epoch. Then the host looks who answers, over every
wire; where nodes are lost takes a plan without them; and in a new epoch runs again what has no answer yet, for it still
has the inputs. What an earlier epoch left on a wire is of another epoch, so it is refused."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import TracebackType
from typing import Self, TypeVar

from shoal.errors import NodeError
from shoal.link import frames, messages
from shoal.link.client import Expected, Stream
from shoal.link.events import Answered, NodeSeen, Turned, Watch, unwatched
from shoal.link.events import Ran as RanSeen
from shoal.link.frames import Frame
from shoal.link.hub import Hub, Silent
from shoal.link.hub import Timing as Asking
from shoal.link.messages import (
    HOLD,
    HOST_NODE,
    Asked,
    Begun,
    Delivery,
    Described,
    Done,
    Header,
    Lost,
    Notice,
    Output,
    Part,
    Refused,
    Space,
    State,
    Status,
    Type,
)
from shoal.link.topology import Reach, Topology

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Seconds. `start`: until nodes must answer at first; `find`: after trouble; `grace`: for further wires of nodes
    that have answered; `state`: after which a quiet node is asked how it is; `full`: after which a full one is asked
    again; `still`: without any progress while nobody computes, `running`: while somebody does."""

    asking: Asking = field(default_factory=Asking)
    start: float = 15.0
    find: float = 3.0
    grace: float = 0.5
    state: float = 0.5
    full: float = 0.05
    still: float = 15.0
    running: float = 120.0


#: epochs in a row that may end without a single answer
_FRUITLESS = 5


@dataclass(frozen=True)
class Member:
    """A node of a shoal. `store`: constants that it has no flash for, and fetches while it runs."""

    name: str
    number: int
    expected: Expected = field(default_factory=Expected)
    store: bytes = b""


@dataclass(frozen=True)
class Crossing:
    """A tensor that may cross: its size in bytes, and its dtype's name."""

    size: int
    dtype: str

    def pieces(self, epoch: int, inference: int, tensor: int, data: bytes) -> Iterator[Delivery]:
        """In their order; one even of an empty tensor."""
        header = Header(tensor, messages.DTYPES[self.dtype], _BITS[self.dtype], self.size)
        cuts = [0, *range(messages.MAX_FIRST_DELIVER, len(data), messages.MAX_DELIVER), len(data)]
        for at, end in pairwise(cuts):
            last = end == len(data)
            yield Delivery(epoch, inference, tensor, at, data[at:end], last, None if at else header)


_BITS = {"int8": 8, "int16": 16, "int32": 32, "float32": 32, "uint8": 8}


@dataclass(frozen=True)
class Plan:
    """Who runs what; without the host, which feeds and takes."""

    name: str
    parts: tuple[Part, ...]

    @property
    def nodes(self) -> set[int]:
        return {p.node for p in self.parts}

    def fed(self, node: int) -> list[int]:
        """The tensors that a node takes from the host: those that no other gives it."""
        given = {o.tensor for p in self.parts for o in p.outputs if o.to == node}
        return [t for p in self.parts if p.node == node for t in p.inputs if t not in given]

    @property
    def kept(self) -> set[int]:
        """The tensors that come to the host."""
        return {o.tensor for p in self.parts for o in p.outputs if o.to == HOST_NODE}

    @property
    def joins(self) -> bool:
        """Whether a node may run without all of its inputs."""
        return any(p.quorum for p in self.parts)

    def telling(self) -> Plan:
        """The same, with every crossing tensor given to the host as well."""

        def told(part: Part) -> Part:
            here = {o.tensor for o in part.outputs if o.to == HOST_NODE}
            more = dict.fromkeys(o.tensor for o in part.outputs if o.tensor not in here)
            return replace(part, outputs=part.outputs + tuple(Output(t, HOST_NODE) for t in more))

        return replace(self, parts=tuple(told(p) for p in self.parts))


@dataclass(frozen=True)
class Request:
    """One inference: the network's inputs by tensor, and the plan that it shall run by, None: the shoal's first."""

    tensors: Mapping[int, bytes]
    plan: Plan | None = None


@dataclass(frozen=True)
class Answer:
    """All tensors that are with the host by index, the network's inputs and outputs among them; what the nodes said of
    their chunks, by name; `degraded`: by another plan than was asked for, since nodes are lost."""

    tensors: Mapping[int, bytes]
    done: Mapping[str, Done]
    plan: Plan
    degraded: bool


class Trouble(Exception):
    """An epoch ends: `node` is the one that it is about, None where nobody knows."""

    def __init__(self, node: int | None, why: str) -> None:
        super().__init__(why)
        self.node, self.why = node, why


@dataclass
class _Flight:
    """An inference without an answer yet, in its present epoch."""

    request: Request
    plan: Plan
    number: int
    packet: bytes
    tensors: dict[int, bytes]
    partial: dict[int, bytearray] = field(default_factory=dict)
    done: dict[int, Done] = field(default_factory=dict)

    def whole(self, wanted: Iterable[int]) -> bool:
        return all(t in self.tensors for t in wanted)


class _Bell:
    """Wakes whoever waits for something to have changed."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    async def until(self, find: Callable[[], T | None]) -> T:
        """What `find` finds, as soon as it finds something."""
        while (found := find()) is None:
            await self._rung.wait()
        return found

    async def wait(self, timeout: float) -> None:
        rung = asyncio.ensure_future(self._rung.wait())
        await asyncio.wait({rung}, timeout=timeout)
        rung.cancel()


class Shoal:
    """Nodes that run a network together, opened by `with`; NodeError where they are not who they must be.

    `streams`: the hub's end of each wire, which stay their owner's to close. `tensors`: all that may cross, by index;
    `wanted`: those that an answer consists of; `operators`: of the network. `plans`: the first is the one that runs,
    the others where nodes are lost. `in_flight`: inferences under way at once. `hold`: nodes keep what they gave until
    the answer is there."""

    def __init__(
        self,
        members: Sequence[Member],
        topology: Topology,
        streams: Mapping[str, Stream],
        tensors: Mapping[int, Crossing],
        wanted: Sequence[int],
        operators: int,
        plans: Sequence[Plan],
        *,
        in_flight: int | None = None,
        hold: bool = False,
        watch: Watch = unwatched,
        timing: Timing = Timing(),
    ) -> None:
        self.lost: dict[str, str] = {}
        self.described: dict[str, Described] = {}
        self.repeats = 0
        self._members = {m.number: m for m in members}
        self._topology = topology
        self._streams = streams
        self._tensors = tensors
        self._wanted = tuple(wanted)
        self._operators = operators
        self._plans = list(plans)
        self.in_flight = in_flight or len(members) + 1
        self._hold = hold
        self._watch = watch
        self._timing = timing
        self._epoch = 0
        self._number = 0
        self._answers = 0
        self._trouble: Trouble | None = None
        self._faults: dict[int, str] = {}
        self._states: dict[int, State] = {}
        self._moved = 0.0
        self._flights: deque[_Flight] = deque()
        self._latest: dict[int, int] = {}
        self._runner = asyncio.Runner()

    # what others do with it

    def __enter__(self) -> Self:
        try:
            self._runner.run(self._open())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def names(self) -> dict[int, str]:
        return {number: m.name for number, m in self._members.items()}

    @property
    def round_trips(self) -> dict[str, float]:
        """Seconds from a question of the hub to the answer of a node, the last that was asked once."""
        return {self._members[n].name: trip for n, trip in self._hub.round_trips.items() if n in self._members}

    @property
    def states(self) -> dict[str, State]:
        """What nodes that answer say of themselves now."""
        return self._runner.run(self._ask_states())

    def check(self, plan: Plan) -> None:
        """NodeError, with the node's name and the boundary, where a node cannot run its part of a plan."""
        self._runner.run(self._check(plan))

    def run(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answers in the order of the requests, which are taken as there is room for more under way. NodeError, with
        the node's name, where no plan is left; every wait is bounded."""
        answers: asyncio.Queue[Answer] = asyncio.Queue()
        work = self._runner.get_loop().create_task(self._work(iter(requests), answers))
        try:
            while (answer := self._runner.run(self._next(answers, work))) is not None:
                yield answer
        finally:
            work.cancel()
            self._runner.run(_settled(work))

    # opening and closing

    async def _open(self) -> None:
        self._bell = _Bell()
        near = {n: self._topology.wires(n)[0] for n in self._topology.nodes}
        self._hub = Hub(self._streams, near, self._serve, self._timing.asking)
        await self._look(self._timing.start, "it did not answer at the start")
        for number, member in self._members.items():
            if member.name not in self.lost:
                await self._identify(member, number)
        await self._check(self._usable(self._plans[0]))

    async def _identify(self, member: Member, number: int) -> None:
        described = Described.unpack(messages.check(await self._ask(number, Type.IDENTIFY), f"node {member.name}"))
        for what, got, wanted in (
            ("firmware", described.build_id, member.expected.build_id),
            ("a model", described.model_sha256, member.expected.model_sha256),
        ):
            if wanted is not None and got != wanted:
                raise NodeError(
                    f"the node runs {what} other than this folder's ({got[:12] or 'without an id'}, not {wanted[:12]})",
                    where=f"node {member.name}",
                    advice=member.expected.advice,
                )
        self.described[member.name] = described

    def _close(self) -> None:
        async def close() -> None:
            if hasattr(self, "_hub"):
                self._hub.close()

        self._runner.run(close())
        self._runner.close()

    # who answers

    async def _look(self, patience: float, why: str) -> None:
        """Looks which nodes answer, over every wire, and tells the hub and the nodes how they reach each other then;
        notes the lost ones, `why` where nothing better is known."""
        answered: dict[str, set[int]] = {w: set() for w in self._streams}
        open_ = [n for n in self._topology.nodes if self._members[n].name not in self.lost]

        async def probe(node: int, wire: str) -> None:
            try:
                await self._hub.ask(node, Type.STATE, wire=wire, patience=patience)
                answered[wire].add(node)
            except NodeError:
                return

        probes = [asyncio.ensure_future(probe(n, w)) for n in open_ for w in self._topology.wires(n)]
        try:
            waiting: set[asyncio.Future[None]] = set(probes)
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, timeout=self._timing.grace, return_when=asyncio.FIRST_COMPLETED
                )
                if not done and set(open_) <= set().union(*answered.values()):
                    break
        finally:
            for task in probes:
                task.cancel()
        reach = self._topology.reach(answered)
        self._hub.routes = dict(reach.hub)
        for node in open_:
            if node not in reach.hub:
                name = self._members[node].name
                self.lost[name] = self._faults.get(node, why)
                self._watch(NodeSeen(name, "lost"))
        await self._route(reach)

    async def _route(self, reach: Reach) -> None:
        """A node that dies meanwhile is found out in the epoch that follows."""
        for node, ports in reach.ports.items():
            try:
                await self._hub.call(node, [(Type.ROUTE, ports)])
            except Silent:
                continue
            except Refused as refused:
                raise self._named(refused, node) from None

    async def _check(self, plan: Plan) -> None:
        packet = self._packet(plan, {})
        for node in plan.nodes:
            try:
                await self._hub.call(node, [(Type.PLAN, packet)])
            except NodeError as error:
                raise self._named(error, node) from None

    def _usable(self, asked: Plan) -> Plan:
        """The plan asked for, or one for what is left; NodeError, with the names of those that are lost, where there
        is none."""
        lost = {n for n, m in self._members.items() if m.name in self.lost}
        for plan in (asked, *self._plans):
            if not plan.nodes & lost:
                return plan
        without = sorted(asked.nodes & lost) or sorted(lost)
        names = [self._members[n].name for n in without]
        more = f" (and {', '.join(names[1:])})" if len(names) > 1 else ""
        raise NodeError(
            f"the node is lost{more}: {self.lost[names[0]]}; no plan does without it",
            where=f"node {names[0]}",
            advice="check its power and its wires; `shoal split` makes plans for what is left where they fit",
        )

    def _named(self, error: NodeError, node: int) -> NodeError:
        where = f"node {self._members[node].name}" + (f", {error.where}" if error.where else "")
        return NodeError(error.what, where=where, advice=error.advice)

    # epochs

    async def _next(self, answers: asyncio.Queue[Answer], work: asyncio.Task[None]) -> Answer | None:
        getting = asyncio.ensure_future(answers.get())
        await asyncio.wait({getting, work}, return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        getting.cancel()
        work.result()
        return None

    async def _work(self, requests: Iterator[Request], answers: asyncio.Queue[Answer]) -> None:
        self._flights.clear()
        fruitless, trouble = 0, Trouble(None, "")
        while True:
            before = self._answers
            try:
                await self._run_epoch(requests, answers, self._told(trouble))
                return
            except* Trouble as several:
                trouble = _first(several)
            except* NodeError as errors:
                raise _first(errors) from None
            fruitless = 0 if self._answers > before else fruitless + 1
            if fruitless == _FRUITLESS:
                raise NodeError(
                    f"no answer in {fruitless} tries: {trouble.why}",
                    where=f"node {self._members[trouble.node].name}" if trouble.node in self._members else "",
                    advice="check its power and its wires",
                )
            await self._look(self._timing.find, trouble.why)
            plan = self._usable(self._plans[0])
            if plan is not self._plans[0]:
                await self._check(plan)

    def _told(self, trouble: Trouble) -> str:
        member = self._members.get(trouble.node or 0)
        return f"node {member.name}: {trouble.why}" if member else trouble.why

    async def _run_epoch(self, requests: Iterator[Request], answers: asyncio.Queue[Answer], why: str) -> None:
        """One epoch, begun after what `why` says; Trouble ends it early."""
        self._epoch = random.SystemRandom().randrange(1, 1 << 32)
        self._watch(Turned(self._epoch, self._usable(self._plans[0]).name, why))
        self._number, self._trouble, self._latest = 0, None, {}
        self._states.clear()
        self._moved = time.monotonic()
        for flight in self._flights:
            if flight.whole(self._wanted):
                flight.number = 0  # nothing of it is left to be done
            else:
                self._renew(flight)
        nodes = list(self._hub.routes)
        async with asyncio.TaskGroup() as group:
            start = messages.pack_start(self._epoch)
            await asyncio.gather(*(self._put(n, Type.START, start) for n in nodes))
            watching = group.create_task(self._watch_nodes(nodes))
            feeding = [group.create_task(self._feed(n)) for n in nodes]
            await self._hand_out(requests, answers)
            for task in (watching, *feeding):
                task.cancel()

    def _renew(self, flight: _Flight) -> None:
        """Gives an inference its number and packet of this epoch."""
        flight.plan = self._usable(flight.request.plan or self._plans[0])
        self._number += 1
        flight.number = self._number
        flight.packet = self._packet(flight.plan, {n: self._number - self._latest[n] for n in self._latest})
        self._latest |= dict.fromkeys(flight.plan.nodes, self._number)
        flight.tensors = dict(flight.request.tensors)
        flight.partial, flight.done = {}, {}

    def _packet(self, plan: Plan, after: Mapping[int, int]) -> bytes:
        """`after`: how many numbers back each node's inference before this one is."""
        own = Part(HOST_NODE, self._operators, self._operators, inputs=tuple(sorted(plan.kept)))
        theirs = (replace(p, after=min(after.get(p.node, 0), 255)) for p in plan.parts)
        return messages.pack_packet((*theirs, own), HOLD * self._hold)

    async def _hand_out(self, requests: Iterator[Request], answers: asyncio.Queue[Answer]) -> None:
        """Takes requests and gives answers, in order; returns when there are no more."""
        more = True
        while True:
            while more and len(self._flights) < self.in_flight:
                request = next(requests, None)
                if request is None:
                    more = False
                    break
                flight = _Flight(request, self._plans[0], 0, b"", {})
                self._renew(flight)
                self._flights.append(flight)
                self._bell.ring()
            if not self._flights:
                return
            first = await self._bell.until(self._finished)
            self._flights.popleft()
            self._answers += 1
            self._watch(Answered(first.number))
            done = {self._members[n].name: d for n, d in first.done.items()}
            degraded = first.plan is not (first.request.plan or self._plans[0])
            answers.put_nowait(Answer(first.tensors, done, first.plan, degraded))
            self._bell.ring()
            if self._hold and first.number:
                release = messages.pack_release(self._epoch, first.number)
                await asyncio.gather(*(self._put(n, Type.RELEASE, release) for n in first.plan.nodes))

    def _finished(self) -> _Flight | None:
        """The oldest inference once its answer is whole, and every node has said that it is done; a node may be late
        where others did without it, and an answer from before the trouble needs nobody's word any more."""
        first = self._flights[0]
        early = first.plan.joins or first.number == 0
        whole = first.whole(self._wanted)
        return first if whole and (early or first.plan.nodes <= first.done.keys()) else None

    # the host feeds

    async def _feed(self, node: int) -> None:
        """Gives a node what it takes from the host, inference by inference."""
        last = 0
        while True:
            flight = await self._bell.until(
                lambda: next((f for f in self._flights if f.number > last and f.plan.fed(node)), None)  # noqa: B023 - called before the loop goes on
            )
            while not await self._give(node, flight):
                pass
            last = flight.number

    async def _give(self, node: int, flight: _Flight) -> bool:
        """False where the node forgot that it was told of this inference."""
        begun = False

        def over() -> bool:
            return node in flight.done or flight not in self._flights

        for tensor in flight.plan.fed(node):
            await self._bell.until(lambda: over() or tensor in flight.tensors or None)  # noqa: B023 - called before the loop goes on
            if over():
                return True
            if not begun:
                await self._put(node, Type.BEGIN, messages.pack_begin(self._epoch, flight.number, flight.packet))
                begun = True
            for piece in self._tensors[tensor].pieces(self._epoch, flight.number, tensor, flight.tensors[tensor]):
                answer = await self._put(node, Type.DELIVER, piece.pack(), (Status.NO_BEGIN, Status.GAP))
                if answer[0] != Status.OK:
                    return False
                self._moved = time.monotonic()
        return True

    async def _put(self, node: int, kind: Type, payload: bytes, allowed: Sequence[Status] = ()) -> bytes:
        """The answer to a request of an epoch, OK or one of `allowed`; asks again while the node is full."""
        while True:
            answer = await self._ask(node, kind, payload)
            status = answer[0]
            if status == Status.OK or status in allowed:
                return answer
            if status == Status.FULL:
                await self._bell.wait(self._timing.full)
            elif status == Status.EPOCH:
                raise Trouble(node, "it was started anew")
            else:
                try:
                    messages.check(answer)
                except NodeError as error:
                    raise self._named(error, node) from None

    async def _ask(self, node: int, kind: Type, payload: bytes = b"") -> bytes:
        try:
            answer = await self._hub.ask(node, kind, payload)
        except Silent as silent:
            raise Trouble(node, silent.what) from None
        self.repeats = self._hub.retries
        return answer

    # the host watches

    async def _watch_nodes(self, nodes: Sequence[int]) -> None:
        """Raises Trouble as soon as there is some."""
        while True:
            await self._bell.wait(self._timing.state / 2)
            if self._trouble:
                raise self._trouble
            now = time.monotonic()
            quiet = []
            for node in nodes:
                broken = self._hub.broken(node)
                if broken:
                    raise Trouble(node, broken.what)
                if now - self._hub.heard.get(node, 0.0) > self._timing.state:
                    quiet.append(node)
            if quiet:
                await asyncio.gather(*(self._see(n) for n in quiet))
            running = any(s.state == "running" for s in self._states.values())
            if self._flights and now - self._moved > (self._timing.running if running else self._timing.still):
                raise Trouble(self._slowest(), "it has made no progress for long")

    async def _see(self, node: int) -> None:
        state = State.unpack(messages.check(await self._ask(node, Type.STATE)))
        before = self._states.get(node)
        self._states[node] = state
        name, waits = self._members[node].name, self._members.get(state.waits_for)
        self._watch(
            NodeSeen(
                name,
                state.state,
                state.inference,
                state.queue,
                waits.name if waits and state.waits_for != node else None,
                state.bytes_in,
                state.bytes_out,
                state.retries,
            )
        )
        if state != before:
            self._moved = time.monotonic()
        if state.epoch != self._epoch and state.state != "running":
            raise Trouble(node, "it was started anew")

    def _slowest(self) -> int | None:
        """The node that the oldest inference has not come past."""
        if not self._flights:
            return None
        first = self._flights[0]
        return next((p.node for p in first.plan.parts if p.node not in first.done), None)

    async def _ask_states(self) -> dict[str, State]:
        found = {}
        for node in self._hub.routes:
            try:
                answer = messages.check(await self._hub.ask(node, Type.STATE))
                found[self._members[node].name] = State.unpack(answer)
            except NodeError:
                continue
        return found

    # node 0: what nodes ask the host

    def _serve(self, frame: Frame) -> bytes | None:
        match frame.type:
            case Type.BEGIN:
                return self._of_epoch(Begun.unpack(frame.payload).epoch)
            case Type.DELIVER:
                return self._take(Delivery.unpack(frame.payload))
            case Type.DONE:
                return self._note(frame.source, Done.unpack(frame.payload))
            case Type.ECHO if len(frame.payload) < frames.MAX_PAYLOAD:
                return bytes([Status.OK]) + frame.payload
            case Type.PULL:
                return self._pulled(frame.source, Asked.unpack(Type.PULL, frame.payload))
            case Type.STARTED:
                # now or long ago, its state will tell
                self._hub.heard[frame.source] = 0.0
                self._bell.ring()
            case Type.FAULT:
                fault = Notice.unpack(Type.FAULT, frame.payload).fault
                if frame.source in self._members and fault:
                    self._faults[frame.source] = f"it faulted: {fault}"
            case Type.LOST:
                lost = Lost.unpack(frame.payload)
                if lost.node in self._members and frame.source in self._members:
                    teller = self._members[frame.source].name
                    said = "it does not answer" if lost.status == Status.NO_ANSWER else "it takes nothing from"
                    self._alarm(Trouble(lost.node, f"{said} {teller}"))
            case Type.READY:
                self._bell.ring()
            case _:
                return bytes([Status.UNKNOWN])
        return None

    def _alarm(self, trouble: Trouble) -> None:
        self._trouble = self._trouble or trouble
        self._bell.ring()

    def _of_epoch(self, epoch: int) -> bytes:
        return bytes([Status.OK if epoch == self._epoch else Status.EPOCH])

    def _take(self, piece: Delivery) -> bytes:
        if piece.epoch != self._epoch:
            return bytes([Status.EPOCH])
        flight = next((f for f in self._flights if f.number == piece.inference), None)
        known = self._tensors.get(piece.tensor)
        if flight is None or piece.tensor in flight.tensors:
            return bytes([Status.OK])  # what nobody waits for any more
        if known is None or piece.tensor not in flight.plan.kept:
            return bytes([Status.PLAN_TENSORS]) + struct.pack("<I", piece.tensor)
        if (piece.header is None) == (piece.offset == 0):
            return bytes([Status.MALFORMED])
        if piece.header is not None and (piece.header.packing or piece.header.raw_bytes != known.size):
            return bytes([Status.ENCODING])
        got = flight.partial.setdefault(piece.tensor, bytearray())
        if piece.offset > len(got):
            return bytes([Status.GAP]) + struct.pack("<I", len(got))
        if piece.offset < len(got):
            return bytes([Status.OK])
        if (len(got) + len(piece.data) == known.size) != piece.last:
            return bytes([Status.RANGE])
        got += piece.data
        self._moved = time.monotonic()
        if piece.last:
            flight.tensors[piece.tensor] = bytes(flight.partial.pop(piece.tensor))
            self._bell.ring()
        return bytes([Status.OK])

    def _note(self, node: int, done: Done) -> bytes:
        flight = next((f for f in self._flights if f.number == done.inference), None)
        if done.epoch != self._epoch or flight is None or node not in flight.plan.nodes:
            return self._of_epoch(done.epoch)
        if node not in flight.done:
            name = self._members[node].name
            figures = done.cycles, done.queue, done.bytes_in, done.bytes_out, done.retries
            self._watch(RanSeen(name, done.inference, *figures))
            self._moved = time.monotonic()
        flight.done[node] = done
        if done.code:
            self._alarm(Trouble(node, f"its model failed with code {done.code}"))
        self._bell.ring()
        return bytes([Status.OK])

    def _pulled(self, node: int, asked: Asked) -> bytes:
        store = self._members[node].store if node in self._members else b""
        if asked.space != Space.STORE or asked.offset + asked.size > len(store) or asked.size > messages.MAX_READ:
            return bytes([Status.RANGE])
        return bytes([Status.OK]) + store[asked.offset : asked.offset + asked.size]


def _first(group: BaseExceptionGroup[T]) -> T:  # type: ignore[type-var]  # what a group holds is an exception
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


async def _settled(task: asyncio.Task[None]) -> None:
    await asyncio.gather(task, return_exceptions=True)
