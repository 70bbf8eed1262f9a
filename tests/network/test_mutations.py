"""A damaged model file gives one clear error or a network; never a traceback."""

from __future__ import annotations

import random
from collections.abc import Sequence

import flatbuffers
import pytest

import tflite_builder
from mutations import MUTATIONS, mutate
from random_networks import RandomNetwork
from shoal.errors import BadInput, ShoalError
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from tflite_builder import ModelBuilder


@pytest.mark.parametrize("seed", range(8))
def test_damaged_files_never_surprise(seed: int) -> None:
    source = RandomNetwork(seed, operators=7).model
    r = random.Random(seed)
    refused = 0
    for _ in range(500):
        damaged = mutate(source, r)
        try:
            simplify(parse(damaged, "net", "net.tflite"))
        except ShoalError as error:
            refused += 1
            assert error.what and error.where.startswith("net")
    assert refused > 100


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutations_change_the_file(mutation: object) -> None:
    source = RandomNetwork(0).model
    r = random.Random(1)
    assert any(mutation(source, r) != source for _ in range(5))  # type: ignore[operator]  # typed as object


def test_every_truncation_is_refused() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.5), b.tensor((1, 4), scale=0.5)
    b.operator("ADD", [x, x], [y])
    source = b.build(inputs=[x], outputs=[y])
    for length in range(len(source)):
        with pytest.raises(BadInput):
            parse(source[:length], "net", "net.tflite")


def test_bytes_that_everything_shares_cannot_blow_up_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand tensors that all point at one shape of a thousand dimensions: some KB that claim to be megabytes."""
    made: dict[tuple[object, ...], int] = {}
    numbers = tflite_builder._numbers

    def shared(b: flatbuffers.Builder, values: Sequence[int], dtype: str) -> int:
        key = (dtype, *values)
        if key not in made:
            made[key] = numbers(b, values, dtype)
        return made[key]

    b = ModelBuilder()
    for _ in range(1000):
        b.tensor((1,) * 1000)
    b.operator("ADD", [0, 1], [2])
    monkeypatch.setattr(tflite_builder, "_numbers", shared)
    shares = b.build(inputs=[0], outputs=[2])
    with pytest.raises(BadInput, match="more data than the file can hold"):
        parse(shares, "net", "net.tflite")
