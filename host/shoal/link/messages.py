"""Messages: what frames mean. docs/link.md has the bytes; firmware/link/messages.h is the other side.

Parsing takes untrusted bytes: whatever they are, the only error is NodeError."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from shoal.errors import NodeError
from shoal.link.frames import MAX_PAYLOAD

ANY_NODE = 0xFF
HOST_NODE = 0
FIRST_NODE = 1

REPLY = 0x80
PLAN_VERSION = 2
#: bytes of a plan packet that fit a BEGIN
MAX_PLAN = 230
#: ports by node number in a ROUTE; nodes' numbers are smaller
ROUTES = 16
NO_ROUTE = 0xFF
#: stands for the network's last boundary
LAST_BOUNDARY = 0xFFFF


class Type(IntEnum):
    """Below 0x30: runs once, whatever the line does; from 0x40: comes to the same however often it runs, so a repeated
    one is run again. Between them: notices, which nobody answers. PULL and PUSH are what a node asks while it runs;
    from START on, what the nodes of a shoal ask each other."""

    OPEN = 0x01
    PLAN = 0x02
    WRITE = 0x03
    RUN = 0x04
    RUN_STEPS = 0x05
    RESET = 0x06
    PROVOKE = 0x07
    ASK = 0x08
    ROUTE = 0x09
    FAULT = 0x30
    STARTED = 0x31
    LOST = 0x32
    READY = 0x33
    IDENTIFY = 0x40
    TENSORS = 0x41
    READ = 0x42
    ECHO = 0x43
    PULL = 0x44
    PUSH = 0x45
    START = 0x46
    BEGIN = 0x47
    DELIVER = 0x48
    DONE = 0x49
    RELEASE = 0x4A
    STATE = 0x4B


class Status(IntEnum):
    """The first byte of every answer; from PLAN_VERSION on, the value that it is about follows."""

    OK = 0
    UNKNOWN = 1
    MALFORMED = 2
    NO_SESSION = 3
    GAP = 4
    BUSY = 5
    VERSION = 6
    RANGE = 7
    NO_PLAN = 8
    MODEL = 9
    NO_ANSWER = 10
    FULL = 11
    EPOCH = 12
    NO_BEGIN = 13
    PLAN_VERSION = 16
    PLAN_ASSIGNMENTS = 17
    PLAN_NODE = 18
    PLAN_VARIANT = 19
    PLAN_FIRST = 20
    PLAN_LAST = 21
    PLAN_MASK = 22
    PLAN_TENSORS = 23
    ENCODING = 24


_REFUSALS = {
    Status.UNKNOWN: "does not know this message",
    Status.MALFORMED: "could not read this message",
    Status.NO_SESSION: "does not know this session: it was started anew, or somebody else talks to it",
    Status.GAP: "missed an earlier request",
    Status.BUSY: "is busy with another request",
    Status.VERSION: "speaks another version of the protocol",
    Status.RANGE: "has nothing there: out of range",
    Status.NO_PLAN: "was given no plan to run",
    Status.MODEL: "ran the model, which failed with code {value}",
    Status.NO_ANSWER: "asked the other end, which did not answer rightly",
    Status.FULL: "has no room for another inference yet",
    Status.EPOCH: "knows nothing of this epoch: it was started anew",
    Status.NO_BEGIN: "was given a tensor of an inference that was not begun",
    Status.PLAN_VERSION: "does not read plan packets of version {value}",
    Status.PLAN_ASSIGNMENTS: "has no resident plan with {value} assignments",
    Status.PLAN_NODE: "is not node {value}, which the plan is for",
    Status.PLAN_VARIANT: "has no resident variant {value}",
    Status.PLAN_FIRST: "has no resident chunk that starts at boundary {value}",
    Status.PLAN_LAST: "has no resident chunk that ends at boundary {value}",
    Status.PLAN_MASK: "has no resident plan for skip mask {value:#x}",
    Status.PLAN_TENSORS: "has no resident chunk that takes or gives tensor {value}",
    Status.ENCODING: "does not read tensors in that encoding",
}


class Refused(NodeError):
    """The node answered that it will not. `status` says why."""

    def __init__(self, status: Status, value: int = 0, *, where: str = "") -> None:
        super().__init__(f"the node {_REFUSALS[status].format(value=value)}", where=where)
        self.status = status


class Space(IntEnum):
    INPUT = 0
    OUTPUT = 1
    ARENA = 2
    STORE = 3


class FaultKind(IntEnum):
    """Named as in board files."""

    HARD_FAULT = 1
    BUS_FAULT = 2
    STACK_OVERFLOW = 3


def _unpack(layout: str, data: bytes, offset: int = 0) -> tuple[Any, ...]:
    try:
        return struct.unpack_from("<" + layout, data, offset)
    except struct.error:
        raise NodeError(
            "a message is cut short", advice="is this node's firmware of another version of shoal?"
        ) from None


@dataclass(frozen=True)
class Fault:
    """What a node says of a fault of its own. `start` counts the firmware's starts since power came; `status`: the
    core's own word (CFSR, mcause, a signal); 0 where unknown."""

    start: int
    kind: FaultKind
    address: int
    pc: int
    status: int
    stack: int

    def __str__(self) -> str:
        text = f"{self.kind.name.lower().replace('_', ' ')} at address {self.address:#010x}"
        return f"{text}, pc {self.pc:#010x}, status {self.status:#010x}, stack {self.stack:#010x}"


#: of a fault in a message
FAULT_BYTES = 24


def unpack_fault(data: bytes, offset: int = 0) -> Fault | None:
    """None where there was none."""
    start, kind, address, pc, status, stack = _unpack("6I", data, offset)
    if kind == 0:
        return None
    try:
        return Fault(start, FaultKind(kind), address, pc, status, stack)
    except ValueError:
        raise NodeError(f"a fault of unknown kind {kind}") from None


@dataclass(frozen=True)
class Notice:
    """What a node says unasked: that it faulted (FAULT) or started (STARTED), in or for the `starts`-th time."""

    type: Type
    starts: int
    fault: Fault | None

    @classmethod
    def unpack(cls, kind: Type, payload: bytes) -> Notice:
        fault = unpack_fault(payload)
        return cls(kind, _unpack("I", payload, FAULT_BYTES)[0], fault)


@dataclass(frozen=True)
class Opened:
    """`window`: wire bytes that may be on the way to the node; `last`: of its requests that were run."""

    window: int
    last: int
    starts: int

    @classmethod
    def unpack(cls, answer: bytes) -> Opened:
        return cls(*_unpack("HHI", answer))


@dataclass(frozen=True)
class Described:
    """The answer to IDENTIFY. `fault`: the last one since power came."""

    node: int
    counts: str
    clock_hz: int
    arena_bytes: int
    weights_bytes: int
    static_bytes: int
    stack_size: int
    steps: int
    inputs: int
    outputs: int
    fault: Fault | None
    starts: int
    model_sha256: str
    build_id: str
    model_name: str
    board: str
    tool_version: str

    @classmethod
    def unpack(cls, answer: bytes) -> Described:
        node, counts, clock_hz, arena, weights, static, stack, steps, inputs, outputs = _unpack("2B5I3H", answer)
        fault = unpack_fault(answer, 28)
        starts, sha256 = _unpack("I32s", answer, 28 + FAULT_BYTES)
        build_id, *names = _counted(answer, 28 + FAULT_BYTES + 36, 4)
        model_name, board, tool_version = (name.decode("utf-8", "replace") for name in names)
        return cls(
            node=node,
            counts="cycles" if counts else "none",
            clock_hz=clock_hz,
            arena_bytes=arena,
            weights_bytes=weights,
            static_bytes=static,
            stack_size=stack,
            steps=steps,
            inputs=inputs,
            outputs=outputs,
            fault=fault,
            starts=starts,
            model_sha256=sha256.hex(),
            build_id=build_id.hex(),
            model_name=model_name,
            board=board,
            tool_version=tool_version,
        )


def _counted(data: bytes, at: int, count: int) -> Iterator[bytes]:
    """Byte strings with their length in front."""
    for _ in range(count):
        (length,) = _unpack("B", data, at)
        (text,) = _unpack(f"{length}s", data, at + 1)
        yield text
        at += 1 + length


@dataclass(frozen=True)
class Sizes:
    """Of a tensor in bytes. `row`: of each of the rows in which it travels while the node runs, 0 where it is whole in
    the arena."""

    whole: int
    row: int


def unpack_tensors(answer: bytes) -> tuple[Sizes, ...]:
    return tuple(Sizes(*_unpack("II", answer, at)) for at in range(0, len(answer) - 7, 8))


@dataclass(frozen=True)
class Asked:
    """What a node asks for in PULL, or brings in PUSH, in the run that request `sequence` of `session` asked for: the
    bytes [offset, offset + size) of a tensor; `data` is empty in PULL."""

    session: int
    sequence: int
    space: int
    index: int
    offset: int
    size: int
    data: bytes

    @classmethod
    def unpack(cls, kind: Type, payload: bytes) -> Asked:
        session, sequence, space, _, index, offset = _unpack("HHBBHI", payload)
        data = payload[12:]
        if kind == Type.PULL:
            return cls(session, sequence, space, index, offset, _unpack("H", data)[0], b"")
        return cls(session, sequence, space, index, offset, len(data), data)


_PIECE = struct.Struct("<BBHI")

#: bytes of a tensor that fit one frame, to the node and from it
MAX_WRITE = MAX_PAYLOAD - _PIECE.size
MAX_READ = MAX_PAYLOAD - 1
_LAST_PIECE = 1


def pack_write(space: Space, index: int, offset: int, data: bytes, *, last: bool) -> bytes:
    return _PIECE.pack(space, _LAST_PIECE if last else 0, index, offset) + data


def pack_read(space: Space, index: int, offset: int, size: int) -> bytes:
    return _PIECE.pack(space, 0, index, offset) + struct.pack("<H", size)


@dataclass(frozen=True)
class Ran:
    """The answer to RUN and RUN_STEPS. `queue`: requests that waited; `repeats`: that came more than once in this
    session; bytes of tensors since the run before. `link_cycles`: of asking for rows and pages and handing rows away,
    which `cycles` leaves out; `ahead_bytes`: of pages, what had come while the model computed."""

    cycles: int
    stack_bytes: int
    stack_total_bytes: int
    queue: int
    bytes_in: int
    bytes_out: int
    repeats: int
    link_cycles: int
    ahead_bytes: int

    @classmethod
    def unpack(cls, answer: bytes) -> Ran:
        return cls(*_unpack("QIIBIIHQI", answer))


@dataclass(frozen=True)
class Output:
    """A tensor that a chunk gives, and the node that it goes to."""

    tensor: int
    to: int


@dataclass(frozen=True)
class Part:
    """What one node does in an inference: variant's operators [first, last) under a skip mask, `inputs` taken,
    `outputs` given. `quorum`: how many inputs it runs with at the latest after `deadline` milliseconds, zeros standing
    in for the missing ones, which must be int32; 0: all. `after`: this node's inference before this one is so many
    numbers back and must have come first; 0: none, or whichever comes. The host's own part has no operators, and as
    inputs what it wants to have. A single board's is the default: the whole network."""

    node: int
    first: int = 0
    last: int = LAST_BOUNDARY
    inputs: tuple[int, ...] = ()
    outputs: tuple[Output, ...] = ()
    variant: int = 0
    mask: int = 0
    quorum: int = 0
    deadline: int = 0
    after: int = 0


#: flag of a packet: nodes keep what they gave until the answer is there, else until it is acknowledged
HOLD = 1
_PART = struct.Struct("<BBHHIBHBBB")
#: inputs, and outputs, of one part
MAX_WAYS = 16


def pack_packet(parts: Iterable[Part], flags: int = 0) -> bytes:
    """The plan packet of one inference. ValueError where it is longer than a BEGIN holds."""
    parts = tuple(parts)
    packed = struct.pack("<BBB", PLAN_VERSION, flags, len(parts))
    for p in parts:
        sizes = len(p.inputs), len(p.outputs)
        packed += _PART.pack(p.node, p.variant, p.first, p.last, p.mask, p.quorum, p.deadline, p.after, *sizes)
        packed += struct.pack(f"<{sizes[0]}H", *p.inputs)
        packed += b"".join(struct.pack("<HB", o.tensor, o.to) for o in p.outputs)
    if len(packed) > MAX_PLAN:
        raise ValueError(f"a plan packet of {len(packed)} bytes, {MAX_PLAN} at most")
    return packed


def unpack_packet(packet: bytes) -> tuple[tuple[Part, ...], int]:
    """Parts and flags."""
    version, flags, count = _unpack("BBB", packet)
    if version != PLAN_VERSION:
        raise NodeError(f"a plan packet of version {version}")
    parts, at = [], 3
    for _ in range(count):
        *fixed, takes, gives = _unpack(_PART.format[1:], packet, at)
        node, variant, first, last, mask, quorum, deadline, after = fixed
        inputs = _unpack(f"{takes}H", packet, at + _PART.size)
        at += _PART.size + 2 * takes
        outputs = tuple(Output(*_unpack("HB", packet, at + 3 * i)) for i in range(gives))
        at += 3 * gives
        parts.append(Part(node, first, last, inputs, outputs, variant, mask, quorum, deadline, after))
    if at != len(packet):
        raise NodeError("a plan packet with bytes behind it")
    return tuple(parts), flags


_INFERENCE = struct.Struct("<II")


def pack_start(epoch: int) -> bytes:
    """Of START: forget whatever is not of this epoch."""
    return struct.pack("<I", epoch)


def pack_begin(epoch: int, inference: int, packet: bytes) -> bytes:
    return _INFERENCE.pack(epoch, inference) + packet


@dataclass(frozen=True)
class Begun:
    """What BEGIN says: an inference, and the plan packet to run it by."""

    epoch: int
    inference: int
    packet: bytes

    @classmethod
    def unpack(cls, payload: bytes) -> Begun:
        epoch, inference = _unpack("II", payload)
        return cls(epoch, inference, payload[_INFERENCE.size :])


def pack_release(epoch: int, inference: int) -> bytes:
    """Of RELEASE: the answer is there, nothing of this inference need be kept."""
    return _INFERENCE.pack(epoch, inference)


#: codes of dtypes in a crossing header
DTYPES = {"int8": 0, "int16": 1, "int32": 2, "float32": 3, "uint8": 4}


@dataclass(frozen=True)
class Header:
    """How a crossing tensor is encoded: `dtype` of DTYPES, its bits and packing (0: raw), the range of its values where
    it is packed by that, the bytes that it unpacks to."""

    tensor: int
    dtype: int
    bits: int
    raw_bytes: int
    packing: int = 0
    lo: int = 0
    hi: int = 0

    def pack(self) -> bytes:
        return _HEADER.pack(self.tensor, self.dtype, self.bits, self.packing, 0, self.lo, self.hi, self.raw_bytes)

    @classmethod
    def unpack(cls, data: bytes, at: int) -> Header:
        tensor, dtype, bits, packing, _, lo, hi, raw = _unpack(_HEADER.format[1:], data, at)
        return cls(tensor, dtype, bits, raw, packing, lo, hi)


_HEADER = struct.Struct("<HBBBBiiI")
_DELIVER = struct.Struct("<IIHBI")
_LAST_OF_TENSOR, _WITH_HEADER = 1, 2
#: bytes of a tensor in one DELIVER, where it has no header
MAX_DELIVER = MAX_PAYLOAD - _DELIVER.size
#: and where it has
MAX_FIRST_DELIVER = MAX_DELIVER - _HEADER.size


@dataclass(frozen=True)
class Delivery:
    """A piece of a crossing tensor, bytes from `offset` on; the first has a `header`."""

    epoch: int
    inference: int
    tensor: int
    offset: int
    data: bytes
    last: bool
    header: Header | None = None

    def pack(self) -> bytes:
        flags = (_LAST_OF_TENSOR if self.last else 0) | (_WITH_HEADER if self.header else 0)
        head = _DELIVER.pack(self.epoch, self.inference, self.tensor, flags, self.offset)
        return head + (self.header.pack() if self.header else b"") + self.data

    @classmethod
    def unpack(cls, payload: bytes) -> Delivery:
        epoch, inference, tensor, flags, offset = _unpack(_DELIVER.format[1:], payload)
        at = _DELIVER.size
        header = None
        if flags & _WITH_HEADER:
            header = Header.unpack(payload, at)
            at += _HEADER.size
        return cls(epoch, inference, tensor, offset, payload[at:], bool(flags & _LAST_OF_TENSOR), header)


@dataclass(frozen=True)
class Done:
    """A node's chunk ran: `cycles` of its counter (0 without one), stack in bytes below the call and since start, the
    inferences that waited then, this one's bytes of crossing tensors and frames sent again, cycles the link
    took meanwhile; `short`: run with a quorum, not with all inputs; `code`: what the model failed with, whereupon
    nothing was delivered."""

    epoch: int
    inference: int
    cycles: int
    stack_bytes: int
    stack_total_bytes: int
    queue: int
    bytes_in: int
    bytes_out: int
    retries: int
    link_cycles: int
    short: bool
    code: int = 0

    @classmethod
    def unpack(cls, payload: bytes) -> Done:
        *numbers, flags, code = _unpack("IIQIIBIIHQBi", payload)
        fields = [*numbers, bool(flags & 1), code]
        return cls(*fields)


@dataclass(frozen=True)
class PortSeen:
    """Of one port: bytes sent there since the start; core cycles from the last question there to its answer; `cycles`
    that the last crossing tensor, of `bytes`, took there up to its last acknowledgement. 0 where unknown."""

    sent: int
    round_trip: int
    bytes: int
    cycles: int

    def goodput(self, clock_hz: int) -> float:
        """Bytes of tensors per second; 0 where unknown."""
        return self.bytes * clock_hz / self.cycles if self.cycles else 0.0


#: what a node's STATE names
STATES = ("idle", "receiving", "running", "sending", "waiting")


@dataclass(frozen=True)
class State:
    """The answer to STATE; `state`: of STATES; `waits_for`: a node's number, 0xFF for none."""

    node: int
    epoch: int
    state: str
    inference: int
    queue: int
    waits_for: int
    bytes_in: int
    bytes_out: int
    retries: int
    ports: tuple[PortSeen, ...]

    @classmethod
    def unpack(cls, answer: bytes) -> State:
        node, epoch, state, inference, queue, waits, bytes_in, bytes_out, retries = _unpack("BIBIBBIIH", answer)
        if state >= len(STATES):
            raise NodeError(f"a node in the unknown state {state}")
        ports = tuple(PortSeen(*_unpack("4I", answer, at)) for at in range(22, len(answer) - 15, 16))
        return cls(node, epoch, STATES[state], inference, queue, waits, bytes_in, bytes_out, retries, ports)


@dataclass(frozen=True)
class Lost:
    """A notice to the host: `node` does not answer whoever tells (NO_ANSWER), or refuses with another status."""

    node: int
    status: int

    @classmethod
    def unpack(cls, payload: bytes) -> Lost:
        return cls(*_unpack("BB", payload))


def check(answer: bytes, where: str = "") -> bytes:
    """What follows the status of an answer; Refused unless that is OK."""
    (code,) = _unpack("B", answer)
    if code == Status.OK:
        return answer[1:]
    try:
        status = Status(code)
        value = _unpack("I", answer, 1)[0] if len(answer) == 5 else 0
    except ValueError:
        raise NodeError(f"the node refuses with unknown status {code}", where=where) from None
    raise Refused(status, value, where=where)
