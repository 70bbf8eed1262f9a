"""RESHAPE against TensorFlow Lite Micro and in generated C, whole and in rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from host_build import Case, run_models
from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, int8s, needs_oracle
from shoal.boards.board import Board
from shoal.errors import BadInput
from shoal.network.execute import execute
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.plan.planner import plan
from shoal.plan.steps import Options, Plan
from tflite_builder import ModelBuilder


def reshape(shape: Sequence[int], target: Sequence[int]) -> Example:
    builder = ModelBuilder()
    a = builder.tensor(shape, scale=0.5, zero_point=3)
    y = builder.tensor(target, scale=0.5, zero_point=3)
    builder.operator("RESHAPE", [a], [y], new_shape=list(target))
    return Example(builder.build(inputs=[a], outputs=[y]), [int8s(1, shape)])


@needs_oracle
def test_reference() -> None:
    assert_reference_is_exact(reshape([2, 3, 4], [6, 4]))


def test_c() -> None:
    assert_c_is_exact([reshape([2, 3, 4], [6, 4])])


def test_refused() -> None:
    with pytest.raises(BadInput, match="24 elements"):
        parse(reshape([2, 3, 4], [5, 5]).model, "model", "model")


@pytest.mark.parametrize("back", [False, True])
def test_flat_values_travel_in_the_rows_of_the_image_that_they_are(back: bool) -> None:
    """Values to an image that is pooled; or, back, a pooled image to values."""
    image, pooled = (1, 12, 8, 4), (1, 6, 4, 4)
    b = ModelBuilder()
    first, second, third = (image, pooled, (1, 96)) if back else ((1, 384), image, pooled)
    x, y, z = (b.tensor(shape, scale=0.1) for shape in (first, second, third))
    pool = {"filter_height": 2, "filter_width": 2, "stride_h": 2, "stride_w": 2, "padding": "VALID"}
    options = [("MAX_POOL_2D", pool), ("RESHAPE", {})] if back else [("RESHAPE", {}), ("MAX_POOL_2D", pool)]
    for (name, more), source, result in zip(options, (x, y), (y, z), strict=True):
        b.operator(name, [source], [result], **more)
    model = b.build(inputs=[x], outputs=[z])

    def planner(graph: Graph, board: Board, asked: Options) -> Plan:
        made = plan(graph, board, replace(asked, feed="rows", drain="rows", ram_budget=80))
        assert {(s.count, s.bytes) for s in made.streams.values()} == {(12, 32), (6, 16)}
        return made

    values = int8s(1, first)
    [[[found]]] = run_models([Case(model, [[values]], planner=planner)])
    np.testing.assert_array_equal(found, execute(parse(model, "model", "model"), [values])[0])
