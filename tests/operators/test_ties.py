"""Every kernel that rescales sums, around the ties of both roundings: each channel's bias is at a tie, to which the 256
values of one input are added. The rescale alone is in tests/kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest

from emulated_build import MACHINES, run_emulated
from host_build import Case, run_models
from one_operator import Example, assert_reference_is_exact, assert_same, kernels_of, needs_oracle, reference
from shoal.operators import conv_2d, depthwise_conv_2d, fully_connected
from shoal.operators.base import Call, Operator, Tensors
from shoal.tensors import Array
from tflite_builder import ModelBuilder

CHANNELS = 64
EVERY = np.arange(-128, 128).astype(np.int8)

MODULES = (conv_2d, depthwise_conv_2d, fully_connected)

#: what is looked for here is wrong arithmetic; addresses are watched where shapes vary
_UNDEFINED = ("-std=c99", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")

#: core → how many kernels the cases reach at least
KERNELS = {"cortex-m4": 10, "rv32imc": 4}

Calls = Callable[[Operator, Tensors, frozenset[str]], list[Call]]

#: sums stay below
_LIMIT = (1 << 30) - 256


def biases(scales: Array, zero_point: int, rng: np.random.Generator) -> Array:
    """Per channel, the sum next to a tie whose result lies in int8, or as near to it as sums reach."""
    values = rng.integers(-128, 128, len(scales)) - zero_point
    return np.clip(np.rint((values + 0.5) / scales), -_LIMIT, _LIMIT).astype(np.int32)


@dataclass(frozen=True)
class Ties:
    """One operator whose weights are one 1 per channel. `rights`: the right shifts of its multipliers, in turn; values
    from −128 up are all that a zero point of −128 lets be told apart, which kernels make use of."""

    name: str
    module: ModuleType
    filters: Array
    image: Array
    output: tuple[int, ...]
    rights: Sequence[int]
    zero_point: int = -128
    options: tuple[tuple[str, int], ...] = ()
    axis: int = 0
    limit: int = _LIMIT

    def example(self, kernel: str = "any") -> Example:
        """`kernel` is the output's name."""
        rng = np.random.default_rng(len(self.name))
        channels = self.filters.shape[self.axis]
        mantissas = rng.uniform(0.5, 1, channels)
        mantissas[::7] = 0.5  # both ends of what multipliers are
        mantissas[1::7] = 1 - 2.0**-24
        scales = (mantissas * 2.0 ** -np.resize(self.rights, channels)).astype(np.float32)
        if self.module is fully_connected:
            scales[:] = scales[2]
        bias = np.clip(biases(scales, self.zero_point, rng), -self.limit, self.limit)
        stored = scales[:1] if self.module is fully_connected else scales
        b = ModelBuilder()
        x = b.tensor(self.image.shape, scale=1.0)
        w = b.tensor(data=self.filters, scale=stored, axis=self.axis if len(stored) > 1 else 0)
        c = b.tensor(data=bias, scale=stored)
        y = b.tensor(self.output, scale=1.0, zero_point=self.zero_point, name=kernel)
        b.operator(self.module.NAME.upper(), [x, w, c], [y], **dict(self.options))
        return Example(b.build(inputs=[x], outputs=[y]), [self.image])


def one_at(shape: tuple[int, ...], *place: int | slice) -> Array:
    filters = np.zeros(shape, np.int8)
    filters[place] = 1
    return filters


def spread(depth: int) -> Array:
    """16 × 16 pixels with every value in each channel."""
    return np.repeat(EVERY.reshape(1, 16, 16, 1), depth, axis=3)


def sparse() -> Array:
    """Every value once, at even rows and columns."""
    image = np.random.default_rng(0).integers(-128, 128, (1, 32, 32, 1)).astype(np.int8)
    image[0, ::2, ::2, 0] = EVERY.reshape(16, 16)
    return image


_IMAGE = (1, 16, 16, CHANNELS)
_POINT = one_at((CHANNELS, 1, 1, 4), slice(None), 0, 0, 0)
_SQUARE = one_at((CHANNELS, 3, 3, 4), slice(None), 1, 1, 0)
_DEPTH = one_at((1, 3, 3, CHANNELS), 0, 1, 1)
_TWO = (("stride_h", 2), ("stride_w", 2))
_FEW, _ALL = range(1, 13), range(1, 32)

CASES = [
    Ties("pointwise", conv_2d, _POINT, spread(4), _IMAGE, _FEW),
    Ties("pointwise, any zero point", conv_2d, _POINT, spread(4), _IMAGE, _ALL, 3),
    Ties("pointwise, left shifts", conv_2d, _POINT, spread(4), _IMAGE, range(-3, 20), 3),
    Ties("3x3", conv_2d, _SQUARE, spread(4), _IMAGE, _FEW),
    Ties("3x3, any zero point", conv_2d, _SQUARE, spread(4), _IMAGE, _ALL, -9),
    Ties(
        "first convolution",
        conv_2d,
        one_at((CHANNELS, 2, 2, 1), slice(None), 0, 0, 0),
        sparse(),
        _IMAGE,
        range(1, 12),
        options=_TWO,
        limit=(1 << 20) - 256,
    ),
    Ties("depthwise", depthwise_conv_2d, _DEPTH, spread(CHANNELS), _IMAGE, _FEW, axis=3),
    Ties("depthwise, any zero point", depthwise_conv_2d, _DEPTH, spread(CHANNELS), _IMAGE, _ALL, 7, axis=3),
    *(
        Ties(
            f"fully connected, right {right}",
            fully_connected,
            one_at((CHANNELS, 4), slice(None), 0),
            np.repeat(EVERY.reshape(256, 1), 4, axis=1),
            (256, CHANNELS),
            [right],
            zero_point,
        )
        for right, zero_point in ((6, 20), (19, -128))
    ),
]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators run by the kernel that their output is named after, if it is a kernel's name."""
    for module in MODULES:

        def calls(
            operator: Operator, tensors: Tensors, features: frozenset[str], every: Calls = module.calls
        ) -> list[Call]:
            found = every(operator, tensors, features)
            return [c for c in found if c.kernel.function == tensors[operator.outputs[0]].name] or found

        monkeypatch.setattr(module, "calls", calls)


def by_kernel(features: frozenset[str]) -> dict[str, list[Example]]:
    """The cases that each kernel takes."""
    found: dict[str, list[Example]] = {}
    for ties in CASES:
        for kernel in dict.fromkeys(kernels_of(ties.example(), features)):
            found.setdefault(kernel, []).append(ties.example(kernel))
    return found


@needs_oracle
@pytest.mark.parametrize("ties", CASES, ids=lambda t: t.name)
def test_the_reference_is_tensorflow_lite_micros(ties: Ties) -> None:
    assert_reference_is_exact(ties.example())


def assert_kernels_are_exact(core: str, emulated: bool) -> None:
    """Each in one program, as on the core or as its pure-C twin."""
    features = MACHINES[core].features
    pairs = [(kernel, example) for kernel, examples in by_kernel(features).items() for example in examples]
    assert len({kernel for kernel, _ in pairs}) >= KERNELS[core]
    cases = [Case(example.model, [example.inputs], features=features) for _, example in pairs]
    results = run_emulated(cases, core) if emulated else run_models(cases, _UNDEFINED)
    for (_, example), (found,) in zip(pairs, results, strict=True):
        assert_same(reference(example), found)


def test_pure_c_twins(named: None) -> None:
    assert_kernels_are_exact("cortex-m4", emulated=False)


@pytest.mark.parametrize("core", KERNELS)
def test_emulated(named: None, core: str) -> None:
    assert_kernels_are_exact(core, emulated=True)
