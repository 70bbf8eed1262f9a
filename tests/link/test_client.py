"""The client against the firmware, natively, over good lines and bad: never a wrong answer, always an end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
import tiny_firmware
from hypothesis import given
from hypothesis import strategies as st
from lines import FaultyLine, SocketLine
from tiny_firmware import FIRST, SECOND

from shoal.errors import NodeError
from shoal.link import frames, messages
from shoal.link.client import Expected, Restarted, StreamNode, Timing
from shoal.link.frames import Frame
from shoal.link.host import HostProcess
from shoal.link.messages import FaultKind, Part, Refused, Status, Type

#: a line in this computer answers at once
QUICK = Timing(retry=0.02, slowest=0.08, patience=10.0, run=10.0)


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_firmware.build("host", tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def node(elf: Path) -> Iterator[StreamNode]:
    with StreamNode(HostProcess(elf), name="host", timing=QUICK) as node:
        yield node


def inputs(random: Random) -> tuple[bytes, bytes]:
    return random.randbytes(FIRST), random.randbytes(SECOND)


def test_a_node_says_who_it_is(node: StreamNode) -> None:
    identity = node.identify()
    assert identity.protocol == 1
    assert len(identity.build_id) == 40
    assert identity.model_sha256 == "0102030405060708" + 48 * "0"
    assert (identity.model_name, identity.board, identity.tool_version) == ("tiny", "host", "0.0.0")
    assert (identity.steps, identity.input_bytes, identity.output_bytes) == (2, (600, 5), (300, 4))
    assert identity.arena_bytes == 912
    assert node.fault is None


def test_runs_answer_rightly(node: StreamNode) -> None:
    random = Random(1)
    for _ in range(5):
        sample = inputs(random)
        answer = node.run(sample)
        assert answer.outputs == tiny_firmware.outputs(*sample)
        assert 200 <= answer.stack_bytes < answer.stack_total_bytes
        assert answer.retries == 0


def test_steps_run_on_what_lies_in_the_arena(node: StreamNode) -> None:
    sample = inputs(Random(2))
    first, second = tiny_firmware.outputs(*sample)
    node.load(sample)
    assert node.read_arena(0, FIRST) == sample[0]
    node.run_steps(0, 1)
    assert node.read_arena(608, 300) == first
    node.run_steps(1, 2)
    assert node.read_arena(908, 4) == second
    node.write_arena(608, bytes(300))
    node.run_steps(1, 2)
    assert node.read_arena(908, 4) == bytes(4)


def test_progress_is_told(node: StreamNode) -> None:
    told: list[tuple[int, int]] = []
    node.progress = lambda done, total: told.append((done, total))
    node.load(inputs(Random(3)))
    assert told[-2:] == [(FIRST, FIRST), (SECOND, SECOND)]


def test_the_other_direction(node: StreamNode) -> None:
    for size in (0, 1, 200):
        node.ask(0, size)
    with pytest.raises(Refused):
        node.ask(7, 10)


@given(data=st.binary(max_size=frames.MAX_PAYLOAD - 1))
def test_echo(shared: StreamNode, data: bytes) -> None:
    assert shared.echo(data) == data


@pytest.fixture(scope="module")
def shared(elf: Path) -> Iterator[StreamNode]:
    with StreamNode(HostProcess(elf), name="host", timing=QUICK) as node:
        yield node


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Part(2), "is not node 2"),
        (Part(1, variant=3), "no resident variant 3"),
        (Part(1, first=4), "no resident chunk that starts at boundary 4"),
        (Part(1, last=9), "no resident chunk that ends at boundary 9"),
        (Part(1, mask=5), "skip mask 0x5"),
        (Part(1, inputs=(17,)), "tensor 17"),
    ],
)
def test_plans_that_are_not_resident_are_refused_by_name(node: StreamNode, part: Part, said: str) -> None:
    with pytest.raises(Refused, match=said):
        node.plan(part)
    with pytest.raises(Refused, match="no plan to run"):
        node._call(Type.RUN)
    sample = inputs(Random(4))
    node._planned = False
    assert node.run(sample).outputs == tiny_firmware.outputs(*sample)


def test_other_plan_packets_are_refused(node: StreamNode) -> None:
    with pytest.raises(Refused, match="2 assignments"):
        node.plan(Part(1), Part(2))
    for packet, status in (
        (b"\x01\x01\x01", Status.PLAN_VERSION),
        (b"\x02", Status.MALFORMED),
        (b"", Status.MALFORMED),
    ):
        with pytest.raises(Refused) as refused:
            node._call(Type.PLAN, packet)
        assert refused.value.status == status


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda n: n.read_arena(900, 20), Status.RANGE),
        (lambda n: n.read_arena(0xFFFFFFFF, 1), Status.RANGE),
        (lambda n: n.write_arena(912, b"x"), Status.RANGE),
        (lambda n: n.run_steps(0, 3), Status.RANGE),
        (lambda n: n.run_steps(1, 1), Status.RANGE),
        (lambda n: n._call(Type.READ, b"\x00"), Status.MALFORMED),
        (lambda n: n._call(Type.WRITE, b"\x00"), Status.MALFORMED),
        (lambda n: n._call(Type.TENSORS, b"\x02\x00\x00"), Status.MALFORMED),
        (lambda n: n._call(Type.RUN_STEPS, b""), Status.MALFORMED),
    ],
)
def test_what_is_out_of_range_is_refused_and_the_session_goes_on(
    node: StreamNode, call: Callable[[StreamNode], object], status: Status
) -> None:
    node.plan(Part(1))
    with pytest.raises(Refused) as refused:
        call(node)
    assert refused.value.status == status
    assert node.echo(b"on") == b"on"


def test_inputs_of_another_size_are_refused(node: StreamNode) -> None:
    with pytest.raises(NodeError, match="input 1 has 5 bytes, 4 were given"):
        node.run([bytes(FIRST), bytes(4)])
    with pytest.raises(NodeError, match="2 inputs, 1 were given"):
        node.load([bytes(FIRST)])


def test_reset_starts_anew(node: StreamNode) -> None:
    node.load(inputs(Random(5)))
    node.reset()
    assert node.read_arena(0, 912) == bytes(912)
    sample = inputs(Random(6))
    assert node.run(sample).outputs == tiny_firmware.outputs(*sample)


@pytest.mark.parametrize("kind", FaultKind)
def test_faults_are_told_at_once_and_after_the_restart(node: StreamNode, kind: FaultKind) -> None:
    provoked = node.provoke(kind)
    assert provoked.told == provoked.kept
    assert provoked.kept is not None
    assert provoked.kept.kind == kind
    assert provoked.kept.pc != 0
    assert (provoked.kept.address != 0) == (kind != FaultKind.HARD_FAULT)
    sample = inputs(Random(7))
    assert node.run(sample).outputs == tiny_firmware.outputs(*sample)


def send_beside(node: StreamNode, kind: Type, payload: bytes = b"") -> None:
    """A request that the client knows nothing of."""
    sequence = (node._sequence + 1) & 0xFFFF
    node._stream.write(frames.encode(Frame(messages.HOST_NODE, 1, kind, node._session, sequence, payload)))


def test_a_fault_in_the_middle_of_a_call_ends_that_call(node: StreamNode) -> None:
    send_beside(node, Type.PROVOKE, bytes([FaultKind.BUS_FAULT]))
    with pytest.raises(Restarted, match="bus fault at address 0x00000001"):
        node.run(inputs(Random(8)))
    sample = inputs(Random(9))
    assert node.run(sample).outputs == tiny_firmware.outputs(*sample)


def test_a_restart_in_the_middle_of_a_call_ends_that_call(node: StreamNode) -> None:
    node.load(inputs(Random(13)))
    send_beside(node, Type.RESET)
    with pytest.raises((Restarted, Refused), match=r"restarted|does not know this session"):
        node.run_steps(0, 1)


@pytest.mark.parametrize("expected", [Expected(build_id="00" * 20), Expected(model_sha256="00" * 32)])
def test_another_firmware_is_not_believed(elf: Path, expected: Expected) -> None:
    with (
        pytest.raises(NodeError, match="other than this folder's"),
        StreamNode(HostProcess(elf), name="host", expected=expected, timing=QUICK),
    ):
        pass


def test_a_process_that_ends_is_an_error_at_once() -> None:
    with pytest.raises(NodeError, match="ended with exit code 0"), StreamNode(HostProcess(Path("/bin/true")), name="x"):
        pass
    with pytest.raises(NodeError, match="cannot be started"):
        HostProcess(Path("/nonexistent"))


class Mute:
    """A stream whose other end says nothing, or only noise."""

    def __init__(self, noise: bytes = b"") -> None:
        self._noise = noise
        self.closed = False

    def read(self, timeout: float) -> bytes:
        time.sleep(min(timeout, 0.01))
        return self._noise

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("noise", [b"", b"boot: hello\r\n\0\0", frames.encode(Frame(1, 0, 0x81, 1, 0, b"\0"))])
def test_a_silent_or_babbling_node_ends_in_an_error(noise: bytes) -> None:
    mute = Mute(noise)
    timing = Timing(retry=0.01, slowest=0.05, patience=0.2)
    with pytest.raises(NodeError, match="does not answer"), StreamNode(mute, name="mute", timing=timing):
        pass
    assert mute.closed


def test_another_protocol_is_said_to_be_one() -> None:
    other = Mute(frames.encode(Frame(1, 0, 0x81, 1, 0, b"\0", version=2)))
    with pytest.raises(NodeError, match="another version of the protocol"), StreamNode(other, name="new"):
        pass


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_a_bad_line_costs_retries_and_never_a_wrong_answer(elf: Path, seed: int, rate: float) -> None:
    random = Random(seed)
    line = FaultyLine(HostProcess(elf), random, rate)
    with StreamNode(line, name="bad line", timing=QUICK) as node:
        for _ in range(6):
            sample = inputs(random)
            assert node.run(sample).outputs == tiny_firmware.outputs(*sample)
            node.load(sample)
            for step in range(2):
                node.run_steps(step, step + 1)
            assert node.read_arena(608, 304) == b"".join(tiny_firmware.outputs(*sample))
        assert node.retries > 0


@pytest.mark.parametrize("kind", FaultyLine.KINDS)
def test_each_kind_of_damage(elf: Path, kind: str) -> None:
    random = Random(kind)
    with StreamNode(FaultyLine(HostProcess(elf), random, 0.4, (kind,)), name=kind, timing=QUICK) as node:
        for _ in range(5):
            sample = inputs(random)
            assert node.run(sample).outputs == tiny_firmware.outputs(*sample)


@pytest.mark.parametrize("kind", ["drop", "repeat", "swap"])
def test_reset_and_faults_over_a_bad_line(elf: Path, kind: str) -> None:
    random = Random(kind)
    with StreamNode(FaultyLine(HostProcess(elf), random, 0.2, (kind,)), name=kind, timing=QUICK) as node:
        for _ in range(3):
            node.reset()
            assert node.provoke(FaultKind.STACK_OVERFLOW).kept is not None


def test_a_hopeless_line_ends_in_an_error(elf: Path) -> None:
    timing = Timing(retry=0.01, slowest=0.02, patience=0.3)
    line = FaultyLine(HostProcess(elf), Random(0), 1.0, ("drop",))
    with pytest.raises(NodeError, match="does not answer"), StreamNode(line, name="dead", timing=timing):
        pass


def test_a_small_window_is_kept_to(elf: Path) -> None:
    """What is on the way to the node never exceeds the receive buffer that it told of."""
    unanswered: list[int] = []
    most = 0

    class Watched(HostProcess):
        def write(self, data: bytes) -> None:
            nonlocal most
            unanswered.append(len(data))
            most = max(most, sum(unanswered))
            super().write(data)

        def read(self, timeout: float) -> bytes:
            data = super().read(timeout)
            for _ in frames.Receiver().feed(data):
                if unanswered:
                    unanswered.pop(0)
            return data

    with StreamNode(Watched(elf), name="host") as node:
        window = node._window
        node.run(inputs(Random(10)))
    assert 0 < most <= window


def test_a_larger_window_is_used(tmp_path: Path) -> None:
    elf = tiny_firmware.build("host", tmp_path, macros={"SHOAL_RING_BYTES": "4096"})
    random = Random(11)
    with StreamNode(FaultyLine(HostProcess(elf), random, 0.2), name="bad line", timing=QUICK) as node:
        assert node._window == 4096
        for _ in range(10):
            sample = inputs(random)
            assert node.run(sample).outputs == tiny_firmware.outputs(*sample)


def test_two_boards_talk_over_their_second_ports(tmp_path: Path) -> None:
    elf = tiny_firmware.build("host", tmp_path, macros={"SHOAL_UARTS": "2"})
    one, other = socket.socketpair()
    with (
        one,
        other,
        StreamNode(HostProcess(elf, second=one.fileno()), name="one", timing=QUICK) as first,
        StreamNode(HostProcess(elf, second=other.fileno()), name="other", timing=QUICK) as second,
    ):
        first.ask(1, 20)
        second.ask(1, 200)
        second.ask(0, 200)


def test_a_board_is_served_over_its_second_port_as_well(tmp_path: Path) -> None:
    elf = tiny_firmware.build("host", tmp_path, macros={"SHOAL_UARTS": "2"})
    ours, theirs = socket.socketpair()
    with (
        theirs,
        StreamNode(HostProcess(elf, second=theirs.fileno()), name="first port", timing=QUICK) as first,
        StreamNode(SocketLine(ours), name="second port", timing=QUICK) as second,
    ):
        sample = inputs(Random(12))
        assert second.run(sample).outputs == tiny_firmware.outputs(*sample)
        assert first.run(sample).outputs == tiny_firmware.outputs(*sample)
        asked = threading.Thread(target=first.ask, args=(1, 100))
        asked.start()
        while asked.is_alive():
            list(second._receive(0.01))


@given(st.binary(max_size=frames.MAX_PAYLOAD))
def test_any_answer_is_parsed_or_refused(payload: bytes) -> None:
    parsers: list[Callable[[bytes], object]] = [
        messages.check,
        messages.Opened.unpack,
        messages.Described.unpack,
        messages.Ran.unpack,
        messages.unpack_tensors,
        messages.unpack_fault,
        lambda data: messages.Notice.unpack(Type.FAULT, data),
    ]
    for parse in parsers:
        with contextlib.suppress(NodeError):
            parse(payload)


#: a lie: what kind of frame (None: the one that answers what was asked), and its payload
lies = st.tuples(
    st.sampled_from([None, Type.FAULT, Type.STARTED, Type.ECHO, 0x99]),
    st.tuples(st.sampled_from([b"", b"\0"]), st.binary(max_size=200)).map(b"".join),
)


@given(st.lists(lies, max_size=20))
def test_any_stream_of_frames_is_survived(told: list[tuple[int | None, bytes]]) -> None:
    """A node that answers nonsense, then nothing: NodeError or an identity, nothing else."""
    left = iter(told)

    class Liar(Mute):
        def __init__(self) -> None:
            super().__init__()
            self._sent: list[Frame] = []
            self._receiver = frames.Receiver()

        def write(self, written: bytes) -> None:
            self._sent += self._receiver.feed(written)

        def read(self, timeout: float) -> bytes:
            out = b""
            for frame, (kind, payload) in zip(self._sent, left, strict=False):
                answer = frame.type | 0x80 if kind is None else kind
                out += frames.encode(Frame(1, 0, answer, frame.session, frame.sequence, payload))
            self._sent.clear()
            return out or super().read(timeout)

    timing = Timing(retry=0.001, slowest=0.001, patience=0.02)
    with contextlib.suppress(NodeError), StreamNode(Liar(), name="liar", timing=timing):
        pass
