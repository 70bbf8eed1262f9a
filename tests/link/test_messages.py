"""Messages as bytes: what is packed comes back, and what strangers send is an error or nothing worse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import NodeError
from shoal.link import messages
from shoal.link.frames import MAX_PAYLOAD
from shoal.link.messages import (
    Begun,
    Delivery,
    Done,
    Header,
    Lost,
    Output,
    Part,
    PortSeen,
    State,
    Status,
)

BYTE, WORD, LONG = st.integers(0, 255), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)

PARTS = st.builds(
    Part,
    node=BYTE,
    variant=BYTE,
    first=WORD,
    last=WORD,
    mask=LONG,
    quorum=BYTE,
    deadline=WORD,
    after=BYTE,
    inputs=st.lists(WORD, max_size=6).map(tuple),
    outputs=st.lists(st.builds(Output, WORD, BYTE), max_size=6).map(tuple),
)
SIGNED = st.integers(-(1 << 31), (1 << 31) - 1)
HEADERS = st.builds(Header, WORD, BYTE, BYTE, LONG, BYTE, SIGNED, SIGNED)


@given(parts=st.lists(PARTS, max_size=4).map(tuple), flags=st.integers(0, 1))
def test_plan_packets_come_back(parts: tuple[Part, ...], flags: int) -> None:
    assert messages.unpack_packet(messages.pack_packet(parts, flags)) == (parts, flags)


def test_a_plan_packet_that_no_frame_holds_is_an_error() -> None:
    with pytest.raises(ValueError, match="230 at most"):
        messages.pack_packet([Part(1, inputs=tuple(range(120)))])


def test_the_largest_plan_packet_fits_a_frame() -> None:
    assert len(messages.pack_begin(1, 1, bytes(messages.MAX_PLAN))) <= MAX_PAYLOAD


@given(epoch=LONG, inference=LONG, packet=st.binary(max_size=messages.MAX_PLAN))
def test_beginnings_come_back(epoch: int, inference: int, packet: bytes) -> None:
    assert Begun.unpack(messages.pack_begin(epoch, inference, packet)) == Begun(epoch, inference, packet)


@given(
    piece=st.builds(
        Delivery,
        *(LONG, LONG, WORD, LONG, st.binary(max_size=messages.MAX_FIRST_DELIVER), st.booleans()),
        st.none() | HEADERS,
    )
)
def test_pieces_come_back(piece: Delivery) -> None:
    assert len(piece.pack()) <= MAX_PAYLOAD
    assert Delivery.unpack(piece.pack()) == piece


def test_goodput_is_bytes_over_time() -> None:
    assert PortSeen(900, 5, 500, 1000).goodput(2_000_000) == 1_000_000.0
    assert PortSeen(900, 0, 0, 0).goodput(2_000_000) == 0.0


def test_a_loss_names_node_and_status() -> None:
    assert Lost.unpack(b"\x03\x0a") == Lost(3, Status.NO_ANSWER)


@given(data=st.binary(max_size=MAX_PAYLOAD))
def test_no_bytes_make_another_error(data: bytes) -> None:
    for unpack in (messages.unpack_packet, Begun.unpack, Delivery.unpack, Done.unpack, State.unpack, Lost.unpack):
        try:
            unpack(data)
        except NodeError:
            continue


def test_another_version_is_named() -> None:
    with pytest.raises(NodeError, match="version 1"):
        messages.unpack_packet(b"\x01\x00\x00")
