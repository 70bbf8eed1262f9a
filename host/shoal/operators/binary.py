"""What ADD and MUL share: two int8 operands that broadcast against each other, of which one may be a constant."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shoal.errors import BadInput, Unsupported
from shoal.operators import floats
from shoal.operators.activation import read_activation
from shoal.operators.base import Band, Call, Constant, Kernel, Operator, RowWindow, Tensors
from shoal.operators.checks import check_int8, check_shape, operand, single_output, where
from shoal.tensors import Array, Tensor

#: loops around the innermost run that the kernels have
_OUTER = 4


@dataclass(frozen=True)
class Fused:
    """Attributes of ADD and MUL. `activation`: a name of `shoal.operators.activation.RANGES`."""

    activation: str


def read_fused(options: Any, operator: Operator) -> Fused:
    """From TFLite's AddOptions or MulOptions; a model without them fuses nothing."""
    return Fused(read_activation(0 if options is None else options.FusedActivationFunction(), operator))


def operands(operator: Operator, tensors: Tensors) -> tuple[Tensor, Tensor, Tensor]:
    """Both inputs and the output."""
    return operand(operator, tensors, 0), operand(operator, tensors, 1), single_output(operator, tensors)


def check_operands(operator: Operator, tensors: Tensors) -> None:
    """The shape rule (NumPy's broadcasting) and the dtypes."""
    if len(operator.inputs) != 2:
        raise BadInput(f"{len(operator.inputs)} inputs where two are due", where=where(operator))
    a, b, output = operands(operator, tensors)
    for tensor in (a, b, output):
        if floats.computes(a):
            floats.check(operator, tensor)
        else:
            check_int8(operator, tensor)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise BadInput(f"shapes {list(a.shape)} and {list(b.shape)} do not broadcast", where=where(operator)) from None
    check_shape(operator, output, shape)
    if len(levels(a.shape, b.shape)) > 1 + _OUTER:
        raise Unsupported(
            f"shapes {list(a.shape)} and {list(b.shape)} broadcast along too many separate dimensions",
            where=where(operator),
            advice=f"reshape them so that at most {1 + _OUTER} groups of dimensions remain",
        )


@dataclass(frozen=True)
class Level:
    """One loop over the output: `extent` elements, and how many elements each operand moves on at every step (0 where
    it is broadcast)."""

    extent: int
    a: int
    b: int


def levels(a: tuple[int, ...], b: tuple[int, ...]) -> list[Level]:
    """The fewest loops, outermost first, that walk two shapes broadcast against each other; at least one."""
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    found: list[Level] = []
    step_a = step_b = 1
    for extent_a, extent_b in zip(reversed(a), reversed(b), strict=True):
        level = Level(max(extent_a, extent_b), step_a if extent_a > 1 else 0, step_b if extent_b > 1 else 0)
        step_a, step_b = step_a * extent_a, step_b * extent_b
        if level.extent == 1:
            continue
        inner = found[-1] if found else None
        if inner and level.a == inner.a * inner.extent and level.b == inner.b * inner.extent:
            found[-1] = Level(inner.extent * level.extent, inner.a, inner.b)
        else:
            found.append(level)
    return found[::-1] or [Level(1, 1, 1)]


@dataclass(frozen=True)
class Binding:
    """Operands as the kernels take them: `a` and `b` in the kernel's order, the loops over them, and which of them is
    read from a constant (None where both lie in the arena)."""

    a: Tensor
    b: Tensor
    loops: tuple[Level, ...]
    constant: Tensor | None

    @property
    def inputs(self) -> tuple[int, ...]:
        """Tensors in the arena, in the order of the args' members."""
        return tuple(t.index for t in (self.a, self.b) if t is not self.constant)

    @property
    def in_place(self) -> tuple[int | None, ...]:
        """An operand may be overwritten where it advances with the output."""
        whole = {
            id(t): all(step == size for step, size in zip(steps, self._output_steps(), strict=True))
            for t, steps in ((self.a, [x.a for x in self.loops]), (self.b, [x.b for x in self.loops]))
        }
        return tuple(0 if whole[id(t)] else None for t in (self.a, self.b) if t is not self.constant)

    def _output_steps(self) -> list[int]:
        steps, size = [], 1
        for loop in reversed(self.loops):
            steps.append(size)
            size *= loop.extent
        return steps[::-1]

    @property
    def count(self) -> int:
        """Elements of one innermost run."""
        return self.loops[-1].extent

    @property
    def runs(self) -> int:
        return int(np.prod([x.extent for x in self.loops[:-1]], dtype=np.int64))

    def shape(self) -> tuple[tuple[str, int], ...]:
        """The members that broadcast.h's BROADCAST_SHAPE declares."""
        outer = (Level(1, 0, 0),) * (_OUTER + 1 - len(self.loops)) + self.loops[:-1]
        inner = self.loops[-1]
        return (
            *((f"extent_{i}", x.extent) for i, x in enumerate(outer)),
            *((f"a_{i}", x.a) for i, x in enumerate(outer)),
            *((f"b_{i}", x.b) for i, x in enumerate(outer)),
            ("a_step", inner.a),
            ("b_step", inner.b),
        )

    def constants(self) -> tuple[Constant, ...]:
        """The constant operand, as the model stores it."""
        if self.constant is None:
            return ()
        assert self.constant.data is not None
        values = np.ascontiguousarray(self.constant.data).reshape(-1)
        return (Constant("operand", values, align=values.itemsize),)


def bind(a: Tensor, b: Tensor) -> Binding:
    """Operands in the given order, of which at most one may be a constant: all but huge operators on constants alone
    are folded before."""
    constants = [t for t in (a, b) if t.data is not None]
    if len(constants) == 2:
        raise Unsupported(
            "both operands are constants, too large to be computed beforehand",
            where=f"tensor {a.index} {a.name!r} and tensor {b.index} {b.name!r}",
            advice="replace the operator by its result",
        )
    return Binding(a, b, tuple(levels(a.shape, b.shape)), constants[0] if constants else None)


def float_calls(operator: Operator, tensors: Tensors, multiplies: bool, features: frozenset[str]) -> list[Call]:
    """The kernel in float32; a constant is its second operand, which changes no sum and no product."""
    a, b, output = operands(operator, tensors)
    binding = bind(b, a) if a.data is not None else bind(a, b)
    name = "binary_f32" if binding.constant is None else "binary_f32_constant"
    per_element = 12.0 if "fpu" in features else 90.0
    call = Call(
        kernel=Kernel("binary_f32", name),
        inputs=binding.inputs,
        outputs=(output.index,),
        shape=(*binding.shape(), ("multiplies", int(multiplies))),
        parameters=(("count", binding.count), *floats.parameters(operator.attributes.activation)),
        constants=binding.constants(),
        align=floats.BYTES,
        in_place=binding.in_place,
        instructions=30 + round(binding.runs * (16 + binding.count * per_element)),
        code_bytes=150 + 50 * (binding.runs > 1),
    )
    return [banded(call, binding, output)]


def banded(call: Call, binding: Binding, output: Tensor) -> Call:
    """The call with its band, where the output is one image, operands in the arena have all of its rows, and a constant
    has one that serves them all. The args' `count` remains: what the longest run of the whole is, is no less in a row.
    """
    a, b = ((1,) * (4 - len(t.shape)) + t.shape for t in (binding.a, binding.b))
    if len(output.shape) != 4 or output.shape[0] != 1:
        return call
    height, width = output.shape[1], math.prod(output.shape[2:])
    if any(shape[1] != (1 if t is binding.constant else height) for t, shape in ((binding.a, a), (binding.b, b))):
        return call
    row = replace(binding, loops=tuple(levels(a[2:], b[2:])))
    band = Band(
        shape=tuple((dict(call.shape) | dict(row.shape())).items()),
        height=height,
        width=width,
        windows=(RowWindow(),) * len(call.inputs),
        in_place=row.in_place,
        instructions=call.instructions + height * (20 + 10 * row.runs),
    )
    return replace(call, band=band)


def function_of_one(
    a: Tensor, b: Tensor, combine: Callable[[Array, Array], Array]
) -> tuple[Tensor, Callable[[Array], Array]] | None:
    """(operand, function of it) where the operator reads one varying byte per element: both operands are the same
    tensor, or one is a constant of a single element; else None. `combine` takes values of a and b."""
    if a.index == b.index:
        return a, lambda x: combine(x, x)
    if b.data is not None and b.elements == 1:
        value = b.data.reshape(1)
        return a, lambda x: combine(x, value)
    if a.data is not None and a.elements == 1:
        value = a.data.reshape(1)
        return b, lambda x: combine(value, x)
    return None
