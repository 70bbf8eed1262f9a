"""Nodes of a shoal as host processes: what goes through them comes out right, or not at all and in bounded time."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import Random

import pytest
import tiny_shoal
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from lines import FaultyLine
from tiny_shoal import LIVE, Kind, Shoal, chain_plan, host, made, pieces, to

from shoal.link import frames, messages
from shoal.link.client import StreamNode
from shoal.link.frames import Frame
from shoal.link.messages import Done, Header, Part, Refused, Status, Type


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_shoal.build(tmp_path_factory.mktemp("shoal"))


@pytest.fixture
def chain(elf: Path) -> Kind:
    return Kind(elf)


@pytest.fixture
def in_place(elf: Path) -> Kind:
    return Kind(elf, slots=False)


@pytest.fixture
def star(elf: Path) -> Kind:
    return Kind(elf, chained=False)


@pytest.fixture
def slow(elf: Path) -> Kind:
    """Each step takes longer than anything else here."""
    return Kind(elf, ticks=100000)


def chained(kind: Kind, count: int) -> Shoal:
    """Port 0 of node 1 ends here, port 1 of the last nowhere."""
    nodes = range(1, count + 1)
    return Shoal(kind, {n: (1, 0) for n in nodes}, [(n, n + 1) for n in nodes[:-1]])


def starred(kind: Kind) -> Shoal:
    return Shoal(kind, {n: (n, 0) for n in (1, 2, 3)})


def samples(seed: int, count: int, tensor: int = 10) -> list[dict[int, bytes]]:
    random = Random(seed)
    return [{tensor: random.randbytes(tiny_shoal.BYTES[tensor])} for _ in range(count)]


def answered(shoal: Shoal, given: Iterable[Mapping[int, bytes]], nodes: int, output: int = 13) -> None:
    """All these inferences are right, and every node reported them."""
    for number, tensors in enumerate(given, 1):
        shoal.until(lambda number=number: output in shoal.tensors[number] and len(shoal.done[number]) == nodes)
        assert shoal.tensors[number][output] == made(tensors)[output], number


@pytest.mark.parametrize("cut", [1, 2])
def test_a_chain_carries_a_residual_past_its_middle(chain: Kind, cut: int) -> None:
    with chained(chain, 2) as shoal:
        shoal.start_epoch(77)
        [x] = samples(cut, 1)
        shoal.give(1, 1, chain_plan(cut), x)
        answered(shoal, [x], 2)
        assert {n: (d.bytes_in, d.bytes_out) for n, d in shoal.done[1].items()} == {
            1: (300, sum(tiny_shoal.BYTES[t] for t in LIVE[cut])),
            2: (sum(tiny_shoal.BYTES[t] for t in LIVE[cut]), 300),
        }
        assert not any(d.short or d.code for d in shoal.done[1].values())


def test_inferences_follow_each_other_through_three_nodes_with_back_pressure(chain: Kind) -> None:
    with chained(chain, 3) as shoal:
        shoal.start_epoch(5)
        given = samples(3, 8)
        for number, x in enumerate(given, 1):
            shoal.give(1, number, chain_plan(1, 2), x)
        answered(shoal, given, 3)
        assert {frame.type for _, frame in shoal.seen if not frame.type & messages.REPLY} >= {Type.BEGIN, Type.DELIVER}


def test_two_inferences_are_in_a_chain_at_a_time(slow: Kind) -> None:
    with chained(slow, 2) as shoal:
        shoal.start_epoch(5)
        given = samples(4, 3)
        plan = chain_plan(1)
        shoal.give(1, 1, plan, given[0])
        shoal.until(lambda: shoal.state(1).state == "running")
        shoal.give(1, 2, plan, given[1])  # is received while the first one runs
        assert shoal.state(1).state == "running" and shoal.state(1).queue == 1
        assert shoal.ask(1, Type.BEGIN, messages.pack_begin(5, 3, plan))[0] == Status.FULL
        shoal.until(lambda: any(f.type == Type.READY for _, f in shoal.seen))
        shoal.give(1, 3, plan, given[2])
        answered(shoal, given, 2)


def test_sessions_are_told_that_a_node_is_busy_while_it_runs(slow: Kind) -> None:
    with chained(slow, 2) as shoal:
        shoal.start_epoch(5)
        [x] = samples(5, 1)
        shoal.give(1, 1, chain_plan(1), x)
        shoal.until(lambda: shoal.state(1).state == "running")
        for kind in (Type.RUN, Type.PLAN, Type.READ):
            assert shoal.ask(1, kind)[0] == Status.BUSY
        assert shoal.ask(1, Type.ECHO, b"still there")[1:] == b"still there"
        assert len(shoal.ask(1, Type.IDENTIFY)) > 60
        answered(shoal, [x], 2)


def test_a_start_while_it_runs_drops_what_comes_of_it(slow: Kind) -> None:
    with chained(slow, 2) as shoal:
        shoal.start_epoch(5)
        old, new = samples(6, 2)
        shoal.give(1, 1, chain_plan(1), old)
        shoal.until(lambda: shoal.state(1).state == "running")
        shoal.start_epoch(6)
        shoal.give(1, 1, chain_plan(2), new)
        answered(shoal, [new], 2)


def test_cuts_move_between_inferences(chain: Kind) -> None:
    with chained(chain, 3) as shoal:
        shoal.start_epoch(9)
        given = samples(7, 6)
        plans = [chain_plan(1, 2), chain_plan(2), chain_plan(), chain_plan(1), chain_plan(1, 2), chain_plan()]
        for number, (plan, x) in enumerate(zip(plans, given, strict=True), 1):
            shoal.give(1, number, plan, x)
        for number, x in enumerate(given, 1):
            shoal.until(lambda number=number: 13 in shoal.tensors[number])
            assert shoal.tensors[number][13] == made(x)[13]


def test_an_inference_waits_for_the_one_that_its_plan_puts_before_it(chain: Kind) -> None:
    with chained(chain, 1) as shoal:
        shoal.start_epoch(9)
        first, second = samples(8, 2)
        ordered = messages.pack_packet([Part(1, 0, 3, (10,), to(0, 13), after=1), host(13)])
        assert shoal.ask(1, Type.BEGIN, messages.pack_begin(9, 2, ordered))[0] == Status.FULL
        shoal.give(1, 1, ordered, first)
        shoal.give(1, 2, ordered, second)
        answered(shoal, [first, second], 1)


def test_a_node_without_slots_takes_inputs_in_place(in_place: Kind) -> None:
    with chained(in_place, 2) as shoal:
        shoal.start_epoch(3)
        given = samples(9, 5)
        for number, x in enumerate(given, 1):
            shoal.give(1, number, chain_plan(1 + number % 2), x)
        answered(shoal, given, 2)


@pytest.mark.parametrize("which", ["chain", "in_place"])
def test_what_is_held_stays_until_the_answer_is_there(which: str, request: pytest.FixtureRequest) -> None:
    with chained(request.getfixturevalue(which), 2) as shoal:
        shoal.start_epoch(3)
        given = samples(10, 2)
        plan = chain_plan(1, hold=True)
        shoal.give(1, 1, plan, given[0])
        shoal.until(lambda: len(shoal.done[1]) == 2)
        assert [shoal.state(n).state for n in (1, 2)] == ["sending", "sending"]
        for node in (1, 2):
            assert shoal.ask(node, Type.RELEASE, messages.pack_release(3, 1)) == b"\0"
        assert [shoal.state(n).state for n in (1, 2)] == ["idle", "idle"]
        shoal.give(1, 2, plan, given[1])
        answered(shoal, given, 2)


@pytest.mark.parametrize("seed", range(4))
def test_bad_wires_cost_time_never_an_answer(chain: Kind, seed: int) -> None:
    with chained(chain, 3) as shoal:
        shoal.start_epoch(seed + 1)
        random = Random(seed)
        for end in [(1, 0), *(end for joint in shoal.joints for end in joint)]:
            shoal.mistreat[end] = mistreated(random)
        given = samples(seed, 3)
        for number, x in enumerate(given, 1):
            shoal.give(1, number, chain_plan(1, 2), x)
        answered(shoal, given, 3)


def mistreated(random: Random) -> tiny_shoal.Mistreat:
    """What a line does that loses, damages, repeats and reorders frames now and then."""

    class Silent:
        def read(self, timeout: float) -> bytes:
            return b""

        def write(self, data: bytes) -> None: ...

        def close(self) -> None: ...

    line = FaultyLine(Silent(), random, 0.06)
    rest = b""

    def change(data: bytes) -> bytes:
        nonlocal rest
        whole, zero, rest = (rest + data).rpartition(b"\0")
        return b"".join(line._mistreat("in", part + b"\0") for part in (whole + zero).split(b"\0")[:-1])

    return change


def test_pages_come_from_the_host_while_a_chunk_runs(elf: Path) -> None:
    with chained(Kind(elf, store=True), 2) as shoal:
        shoal.start_epoch(13)
        shoal.store = Random(1).randbytes(400)
        given = samples(24, 3)
        for number, x in enumerate(given, 1):
            shoal.give(1, number, chain_plan(1), x)
        for number, x in enumerate(given, 1):
            shoal.until(lambda number=number: 13 in shoal.tensors[number])
            page = shoal.store[7:307]
            assert shoal.tensors[number][13] == bytes((p + y) & 255 for p, y in zip(page, made(x)[13], strict=True))
        assert shoal.pulled == {(2, number) for number in (1, 2, 3)}


def test_what_a_chunk_cannot_fetch_is_reported_and_gives_nothing(elf: Path) -> None:
    with chained(Kind(elf, store=True), 1) as shoal:
        shoal.start_epoch(13)
        [x] = samples(25, 1)
        shoal.give(1, 1, chain_plan(), x)  # the store is empty
        shoal.until(lambda: 1 in shoal.done[1])
        assert shoal.done[1][1].code == Status.NO_ANSWER
        assert not shoal.tensors[1]
        assert shoal.state(1).state == "idle"


def test_a_restarted_node_is_told_of_and_a_new_epoch_works(chain: Kind) -> None:
    with chained(chain, 2) as shoal:
        shoal.start_epoch(21)
        [x] = samples(11, 1)
        shoal.kill(2)
        shoal.start(2)
        shoal.give(1, 1, chain_plan(1), x)
        shoal.until(lambda: shoal.lost)
        assert shoal.lost[0] == (1, messages.Lost(2, Status.EPOCH))
        seen = shoal.state(1)
        assert (seen.state, seen.waits_for) == ("waiting", 2)
        assert shoal.state(2).epoch == 0
        shoal.start_epoch(22)
        shoal.give(1, 1, chain_plan(1), x)
        answered(shoal, [x], 2)


def test_a_dead_neighbour_is_named_in_bounded_time(chain: Kind) -> None:
    with chained(chain, 2) as shoal:
        shoal.start_epoch(21)
        [x] = samples(12, 1)
        shoal.kill(2)
        shoal.give(1, 1, chain_plan(2), x)
        shoal.until(lambda: shoal.lost)
        assert shoal.lost[0] == (1, messages.Lost(2, Status.NO_ANSWER))
        shoal.until(lambda: 1 in shoal.done[1])  # it ran, and says so
        assert shoal.state(1).retries >= 10
        shoal.start_epoch(22)
        shoal.give(1, 1, chain_plan(), x)
        answered(shoal, [x], 1)


HALVES = Part(1, 0, 1, (20,), to(3, 21), variant=1), Part(2, 1, 2, (20,), to(3, 22), variant=1)


def sum_plan(quorum: int = 0, deadline: int = 0) -> bytes:
    join = Part(3, 2, 3, (21, 22), to(0, 23), variant=1, quorum=quorum, deadline=deadline)
    return messages.pack_packet([*HALVES, join, host(23)])


def test_two_halves_are_summed_exactly(star: Kind) -> None:
    with starred(star) as shoal:
        shoal.start_epoch(31)
        given = samples(13, 4, tensor=20)
        for number, v in enumerate(given, 1):
            for node in (1, 2):
                shoal.give(node, number, sum_plan(), v)
        answered(shoal, given, 3, output=23)
        assert not shoal.done[1][3].short


def test_a_quorum_sums_without_who_is_late(star: Kind) -> None:
    with starred(star) as shoal:
        shoal.start_epoch(31)
        [v] = samples(14, 1, tensor=20)
        shoal.give(1, 1, sum_plan(quorum=1, deadline=50), v)
        shoal.until(lambda: 23 in shoal.tensors[1] and 3 in shoal.done[1])
        assert shoal.tensors[1][23] == made(v)[21]
        assert shoal.done[1][3].short
        shoal.give(2, 1, sum_plan(quorum=1, deadline=50), v)  # comes too late, and is let go
        shoal.until(lambda: 2 in shoal.done[1])
        assert shoal.tensors[1][23] == made(v)[21]


def test_no_quorum_does_without_what_is_no_sum(chain: Kind) -> None:
    with chained(chain, 1) as shoal:
        shoal.start_epoch(31)
        [x] = samples(15, 1)
        plan = messages.pack_packet([Part(1, 2, 3, (10, 12), to(0, 13), quorum=1, deadline=1), host(13)])
        shoal.give(1, 1, plan, x)
        for _ in range(50):
            assert shoal.state(1).state == "receiving"
        shoal.give(1, 1, plan, {12: made(x)[12]})
        answered(shoal, [x], 1)


def test_one_tensor_goes_to_several_nodes_and_a_dead_one_holds_up_no_other(star: Kind) -> None:
    plan = messages.pack_packet(
        [
            Part(1, 0, 1, (10,), (*to(2, 10, 11), *to(3, 10, 11), *to(0, 11))),
            Part(2, 1, 3, (10, 11), to(0, 13)),
            Part(3, 1, 3, (10, 11), to(0, 13)),
            host(11, 13),
        ]
    )
    with starred(star) as shoal:
        shoal.start_epoch(31)
        given = samples(16, 2)
        shoal.give(1, 1, plan, given[0])
        answered(shoal, given[:1], 3)
        assert shoal.tensors[1][11] == made(given[0])[11]
        shoal.kill(2)
        shoal.give(1, 2, plan, given[1])
        shoal.until(lambda: 3 in shoal.done[2])
        assert shoal.tensors[2][13] == made(given[1])[13]
        assert not shoal.lost


def test_the_other_end_of_a_chain_reaches_what_is_behind_a_dead_node(chain: Kind) -> None:
    with chained(chain, 3) as shoal:
        shoal.hub = {1: (1, 0), 2: (3, 1), 3: (3, 1)}
        shoal.start_epoch(41)
        shoal.kill(1)
        assert [shoal.state(n).node for n in (3, 2)] == [3, 2]
        shoal.start_epoch(42)
        [x] = samples(17, 1)
        plan = messages.pack_packet([Part(3, 0, 1, (10,), to(2, 10, 11)), Part(2, 1, 3, (10, 11), to(0, 13)), host(13)])
        shoal.give(3, 1, plan, x)  # whose answer node 2 sends to the left, as it was told at first
        shoal.until(lambda: 13 not in shoal.tensors[1] and shoal.state(2).state == "waiting")
        for number in (3, 2):
            with StreamNode(tiny_shoal.Routed(shoal, number), name="", number=number) as node:
                node._call(Type.ROUTE, bytes([1, 1, 0, 1] + [messages.NO_ROUTE] * (messages.ROUTES - 4)))
        answered(shoal, [x], 2)


def refused(shoal: Shoal, packet: bytes) -> tuple[int, int]:
    """Why node 1 does not take it, as BEGIN says and PLAN."""
    answer = shoal.ask(1, Type.BEGIN, messages.pack_begin(shoal.epoch, 1, packet))
    return answer[0], struct.unpack("<I", answer[1:])[0] if len(answer) == 5 else 0


WHOLE = Part(1, 0, 3, (10,), to(0, 13))


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (Part(2, 0, 3, (10,), to(0, 13)), (Status.PLAN_NODE, 1)),
        (Part(1, 0, 3, (10,), to(0, 13), variant=7), (Status.PLAN_VARIANT, 7)),
        (Part(1, 4, 5, (10,), to(0, 13)), (Status.PLAN_FIRST, 4)),
        (Part(1, 0, 4, (10,), to(0, 13)), (Status.PLAN_LAST, 4)),
        (Part(1, 2, 2, (10,), to(0, 13)), (Status.PLAN_LAST, 2)),
        (Part(1, 2, 1, (10,), to(0, 13)), (Status.PLAN_LAST, 1)),
        (Part(1, 2, 3, (10, 12), to(0, 13), variant=2), (Status.PLAN_FIRST, 2)),  # inside of a fused step
        (Part(1, 0, 3, (10,), to(0, 13), mask=9), (Status.PLAN_MASK, 9)),
        (Part(1, 0, 3, (), to(0, 13)), (Status.PLAN_TENSORS, 10)),  # reads what it is not given
        (Part(1, 0, 3, (11,), to(0, 13)), (Status.PLAN_TENSORS, 11)),  # is not there yet
        (Part(1, 2, 3, (10, 11, 12), to(0, 13)), (Status.PLAN_TENSORS, 11)),  # not any more
        (Part(1, 0, 3, (10, 10), to(0, 13)), (Status.PLAN_TENSORS, 10)),
        (Part(1, 0, 3, (10,), to(0, 12)), (Status.PLAN_TENSORS, 12)),  # its place is another's by then
        (Part(1, 0, 1, (10,), to(0, 12)), (Status.PLAN_TENSORS, 12)),
        (Part(1, 0, 3, (10,), to(0, 99)), (Status.PLAN_TENSORS, 99)),
        (Part(1, 0, 3, (10,), to(1, 13)), (Status.PLAN_TENSORS, 13)),  # to itself
        (Part(1, 0, 3, (10,), to(16, 13)), (Status.PLAN_TENSORS, 13)),
        (Part(1, 0, 3, (10,), to(0, 13, 13)), (Status.PLAN_TENSORS, 13)),
        (Part(1, 1, 2, (11,), to(0, 10, 12)), (Status.PLAN_TENSORS, 10)),  # passes by, but never came
        (Part(1, 0, 3, tuple(range(17)), to(0, 13)), (Status.MALFORMED, 0)),
    ],
)
def test_what_a_node_cannot_run_it_refuses_by_name(chain: Kind, part: Part, why: tuple[int, int]) -> None:
    with chained(chain, 1) as shoal:
        shoal.start_epoch(51)
        assert refused(shoal, messages.pack_packet([part, host(13)])) == why
        with (
            StreamNode(tiny_shoal.Routed(shoal, 1), name="") as node,
            pytest.raises(Refused) as error,
        ):
            node.plan(part, host(13))
        assert error.value.status == why[0]
        shoal.give(1, 1, messages.pack_packet([WHOLE, host(13)]), samples(18, 1)[0])  # and nothing of it is left
        answered(shoal, samples(18, 1), 1)


def test_packets_that_do_not_add_up_are_refused(chain: Kind) -> None:
    packet = messages.pack_packet([WHOLE, host(13)])
    with chained(chain, 1) as shoal:
        shoal.start_epoch(51)
        assert refused(shoal, messages.pack_packet([WHOLE, WHOLE])) == (Status.MALFORMED, 0)
        assert refused(shoal, packet + b"\0") == (Status.MALFORMED, 0)
        assert refused(shoal, b"\1" + packet[1:]) == (Status.PLAN_VERSION, 1)
        for length in range(len(packet)):
            assert refused(shoal, packet[:length]) == (Status.MALFORMED, 0)


def test_pieces_out_of_turn_are_put_right(chain: Kind) -> None:
    with chained(chain, 1) as shoal:
        shoal.start_epoch(61)
        [x] = samples(19, 1)
        packet = messages.pack_packet([WHOLE, host(13)])
        first, second = pieces(61, 1, 10, x[10])

        def status(piece: bytes) -> bytes:
            return shoal.ask(1, Type.DELIVER, piece)

        assert status(first.pack()) == bytes([Status.NO_BEGIN])
        shoal.insist(1, Type.BEGIN, messages.pack_begin(61, 1, packet))
        shoal.insist(1, Type.BEGIN, messages.pack_begin(61, 1, packet))
        another = messages.pack_packet([WHOLE, host(13, 10)])
        assert shoal.ask(1, Type.BEGIN, messages.pack_begin(61, 1, another))[0] == Status.MALFORMED
        assert status(second.pack()) == struct.pack("<BI", Status.GAP, 0)
        assert status(first.pack()) == status(first.pack()) == b"\0"
        assert status(second.pack()[:-1])[0] == Status.ENCODING  # says that it is the last, and is not
        assert status(second.pack() + b"x")[0] == Status.RANGE
        assert shoal.state(1).bytes_in == len(first.data)
        assert status(second.pack()) == b"\0"
        answered(shoal, [x], 1)
        assert status(second.pack()) == b"\0"  # late, and let go
        shoal.insist(1, Type.BEGIN, messages.pack_begin(61, 1, packet))
        assert status(pieces(60, 1, 10, x[10])[0].pack()) == bytes([Status.EPOCH])
        assert shoal.state(1).state == "idle"


@pytest.mark.parametrize(
    "header",
    [
        Header(11, 0, 8, 300),
        Header(10, 2, 8, 300),
        Header(10, 0, 4, 300),
        Header(10, 0, 8, 301),
        Header(10, 0, 8, 300, 1),
    ],
)
def test_other_encodings_are_refused(chain: Kind, header: Header) -> None:
    with chained(chain, 1) as shoal:
        shoal.start_epoch(61)
        [x] = samples(20, 1)
        shoal.insist(1, Type.BEGIN, messages.pack_begin(61, 1, messages.pack_packet([WHOLE, host(13)])))
        first = pieces(61, 1, 10, x[10])[0]
        wrong = messages.Delivery(61, 1, 10, 0, first.data, False, header)
        assert shoal.ask(1, Type.DELIVER, wrong.pack())[0] == Status.ENCODING
        bare = messages.Delivery(61, 1, 10, 0, first.data, False)
        assert shoal.ask(1, Type.DELIVER, bare.pack())[0] == Status.ENCODING
        unknown = messages.Delivery(61, 1, 12, 0, first.data, False, header)
        assert shoal.ask(1, Type.DELIVER, unknown.pack())[0] == Status.PLAN_TENSORS


def test_a_late_start_brings_no_old_epoch_back(chain: Kind) -> None:
    with chained(chain, 1) as shoal:
        shoal.start_epoch(71)
        shoal.start_epoch(72)
        assert shoal.ask(1, Type.START, struct.pack("<I", 71)) == bytes([Status.EPOCH])
        assert shoal.ask(1, Type.START, struct.pack("<I", 0)) == bytes([Status.MALFORMED])
        assert shoal.state(1).epoch == 72


def test_a_session_uses_the_model_by_itself_between_epochs(chain: Kind) -> None:
    with chained(chain, 1) as shoal, StreamNode(tiny_shoal.Routed(shoal, 1), name="") as node:
        given = samples(21, 2)
        assert node.run([given[0][10]]).outputs == (made(given[0])[13],)
        shoal.start_epoch(81)
        with pytest.raises(Refused, match="no plan to run"):
            node.run([given[0][10]])
        shoal.give(1, 1, messages.pack_packet([WHOLE, host(13)]), given[1])
        answered(shoal, given[1:], 1)
        node._planned = False
        assert node.run([given[0][10]]).outputs == (made(given[0])[13],)
        assert shoal.state(1).epoch == 0
        begin = messages.pack_begin(81, 2, messages.pack_packet([WHOLE, host(13)]))
        assert shoal.ask(1, Type.BEGIN, begin)[0] == Status.EPOCH


@pytest.fixture(scope="module")
def lasting(elf: Path) -> Iterator[Shoal]:
    with chained(Kind(elf), 2) as shoal:
        yield shoal


_epochs = itertools.count(1000)


@settings(max_examples=25, deadline=None)
@drawn(data=st.data())
def test_no_order_and_no_repetition_of_good_frames_makes_a_wrong_answer(lasting: Shoal, data: st.DataObject) -> None:
    epoch = next(_epochs)
    lasting.start_epoch(epoch)
    given = samples(epoch, 2)
    plan = chain_plan(1 + epoch % 2, after=1)
    good = [
        frame
        for number, x in enumerate(given, 1)
        for frame in [
            (Type.BEGIN, messages.pack_begin(epoch, number, plan)),
            *((Type.DELIVER, piece.pack()) for piece in pieces(epoch, number, 10, x[10])),
        ]
    ]
    for place in data.draw(st.lists(st.integers(0, len(good) - 1), max_size=20)):
        lasting.send(1, *good[place], sequence=0xFFFF)
        lasting.pump(0.0)
    for number, x in enumerate(given, 1):
        lasting.give(1, number, plan, x)
    answered(lasting, given, 2)


def nonsense(random: Random, current: int) -> Frame:
    """A frame of any type, with a payload that is often nearly right: small numbers get further."""
    kind = random.choice([*Type, *Type, random.randrange(256)])
    if kind == Type.PROVOKE:
        kind = Type.STATE  # a fault on purpose is what a sanitizer must not see
    epoch, inference = random.choice([current, current, 0, current - 1]), random.choice([0, 1, 1, 2, 3, 0xFFFFFFFF])
    payload = struct.pack("<II", epoch, inference) if random.random() < 0.7 else b""
    body = [
        random.randbytes(random.randrange(60)),
        bytes(random.choice([0, 1, 2, 3, 10, 255]) for _ in range(random.randrange(60))),
        bytearray(messages.pack_packet([WHOLE, host(13)])),
        bytearray(pieces(current, 1, 10, bytes(300))[random.randrange(2)].pack()[8:]),
    ][random.randrange(4)]
    if isinstance(body, bytearray) and random.random() < 0.8:
        body[random.randrange(min(len(body), 40))] = random.choice([0, 1, 2, 16, 255, random.randrange(256)])
    destination = random.choice([1, 1, 1, 255, *range(4)])
    source = random.choice([0, 2, 3, 15, 16, 255])
    return Frame(
        source, destination, kind, random.choice([0, 0, 7]), 0xFF00 + random.randrange(8), payload + bytes(body)[:200]
    )


@pytest.mark.parametrize("which", ["chain", "in_place"])
def test_strangers_are_survived(which: str, request: pytest.FixtureRequest) -> None:
    random = Random(22)
    with chained(request.getfixturevalue(which), 2) as shoal:
        for turn in range(6):
            shoal.start_epoch(91 + 2 * turn)
            shoal.deaf = True
            for _ in range(150):
                shoal.write((1, random.randrange(2)), frames.encode(nonsense(random, 91 + 2 * turn)))
                if random.random() < 0.2:
                    shoal.write((1, random.randrange(2)), random.randbytes(random.randrange(300)))
                shoal.pump(0.0)
            shoal.start_epoch(1000 + turn)
            shoal.deaf = False
            given = samples(turn, 2)
            for number, x in enumerate(given, 1):
                shoal.give(1, number, chain_plan(1), x)
            answered(shoal, given, 2)


def test_figures_of_a_run_are_of_that_run(chain: Kind) -> None:
    with chained(chain, 2) as shoal:
        shoal.start_epoch(5)
        given = samples(23, 2)
        for number, x in enumerate(given, 1):
            shoal.give(1, number, chain_plan(2), x)
        answered(shoal, given, 2)
        figures: list[Done] = [shoal.done[n][1] for n in (1, 2)]
        assert [d.bytes_out for d in figures] == [600, 600] and all(0 < d.stack_bytes < 65536 for d in figures)
        seen = shoal.state(1)
        assert (seen.bytes_in, seen.bytes_out, seen.retries) == (600, 1200, 0)
        assert seen.ports[1].sent > 1200 and seen.ports[1].bytes == 300 and seen.ports[1].goodput(1) == 0.0
