"""What every operator file declares: meaning (attributes, shape rule, MACs, exact reference) and kernels that run it.

An operator is one file here, one kernel family in `firmware/kernels`, one test, all with the same stem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from shoal.tensors import Array, Tensor

Tensors = Mapping[int, Tensor]


@dataclass(frozen=True)
class Operator:
    """One node of a network. `inputs` and `outputs` are tensor indices (None where an optional input is left out);
    `attributes` is the operator file's own frozen dataclass; `sources` are the model file's operator indices that this
    operator stands for (several after folding)."""

    index: int
    kind: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    attributes: Any
    sources: tuple[int, ...] = ()


@dataclass(frozen=True)
class Constant:
    """One array that a kernel reads, packed in the order in which it reads it. `role` names it in the generated C and
    is the member of the kernel's args struct that points to it; values are a one-dimensional array of int8, uint8,
    int16, uint16, int32, uint32 or float32; `align` in bytes."""

    role: str
    values: Array = field(compare=False, repr=False)
    align: int = 4

    @property
    def bytes(self) -> int:
        return int(self.values.nbytes)


@dataclass(frozen=True)
class Kernel:
    """One candidate: a body in `firmware/kernels/<stem>.h` and what it needs from a core and takes from an operator.

    The body is `SHOAL_INLINE void <function>(uint8_t *arena, const <function>_args *args, const <function>_shape
    *shape)`. `literal`: the model's C instantiates it once per distinct signature with the shape as literals; else one
    shared instance takes from its steps' records what their shapes do not have in common. `common_bytes`: code that
    all instances share, once.
    """

    stem: str
    function: str
    needs: frozenset[str] = frozenset()
    literal: bool = True
    common_bytes: int = 0


@dataclass(frozen=True)
class RowWindow:
    """The rows of one input that an output row is computed from: row y reads rows y · stride − before up to
    y · stride − before + size − 1, as far as the image has them (`size` counts dilation: its extent, not its taps; a
    stride of 0 is that of outputs which all read the same)."""

    size: int = 1
    stride: int = 1
    before: int = 0


@dataclass(frozen=True)
class Band:
    """How a call computes its output row by row, in either order, from rows wherever they lie (one image, NHWC).

    The body is `<function>_band` in the kernel's header; `firmware/kernels/rows.h` has its signature. It gets the
    call's own parameters and constants, and `shape` in place of the call's (a 1×1 convolution's whole tensor is one
    long row, its band is not). `height` output rows of `width` pixels (elements, for kernels that know no channels);
    `windows`, one per input of the call.
    `in_place[i]`: the output row may start at the address of a row of input i that no later row needs, plus
    in_place[i] bytes, or anywhere below; None where it must be apart from every row of its window.
    `scratch_bytes` live for one row; `state_bytes` from the first row to the last, in whatever order they come, and are
    zero before the first.
    `accumulates`: it is called for rows of its one input, not of its output: for each of the `height` that there are
    once, in either order, y being that row. It adds them to its state, and the last of these calls, whichever row it
    is of, writes the output, a single row of `width` pixels; no other call touches it. `windows` is then one row.
    `over_state`: that output may start at the state's address plus so many bytes, or anywhere below; None where it must
    be apart.
    `instructions`: of all rows together, one call of the band each.
    """

    shape: tuple[tuple[str, int], ...]
    height: int
    width: int
    windows: tuple[RowWindow, ...]
    in_place: tuple[int | None, ...]
    scratch_bytes: int = 0
    state_bytes: int = 0
    accumulates: bool = False
    over_state: int | None = None
    instructions: int = 0


@dataclass(frozen=True)
class Call:
    """A kernel bound to one operator: all is decided but the addresses. Read by dispatch, planner, cost and render.

    `shape`: members of `<function>_shape` in C order; two calls with the same kernel and the same values share one
    instance. `parameters`: scalar members of `<function>_args` (zero points and the like: they differ between steps
    that share an instance). `constants`: pointer members of `<function>_args`. The operands are the members
    `input` (`input_0`, `input_1`, … where there are several), `output`, and `scratch` and `state` where the kernel has
    them: uint32_t byte offsets into the arena.

    `inputs` and `outputs`: the tensors it reads from and writes to the arena, in the order of those members.
    `scratch_bytes` live for one step; `state_bytes` from the first band of a segment to its last.
    `in_place[i]`: overlap distance of the output over input i in bytes: the output may start at
    input i's address + in_place[i] or anywhere below; None where they must be apart.
    `instructions`, `cycles`: the cost model's figures for one whole run on the core; `code_bytes` of one instance.
    `passes`: how often a whole run reads each of its constants, about; 1 also where that was never looked at.
    `parts`: functions that it shares with instances of other shapes, with their bytes: each is in an image once.
    `band`: how it computes single rows; None where it needs whole tensors.
    """

    kernel: Kernel
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shape: tuple[tuple[str, int], ...]
    parameters: tuple[tuple[str, int | float], ...] = ()
    constants: tuple[Constant, ...] = ()
    scratch_bytes: int = 0
    state_bytes: int = 0
    align: int = 1
    in_place: tuple[int | None, ...] = ()
    instructions: int = 0
    code_bytes: int = 0
    passes: int = 1
    parts: tuple[tuple[str, int], ...] = ()
    band: Band | None = None


class OperatorKind(Protocol):
    """What a file of this package provides, as module-level functions (the module is the object).

    All of them may assume that `check` passed."""

    #: TFLite's name in lower case: the file's stem
    NAME: str

    def read(self, options: Any, operator: Operator, tensors: Tensors) -> Any:
        """The attributes from TFLite's builtin options (the `tflite` package's accessor object, or None where the model
        stores none) — raises BadInput for values that no model may have. Operators that no model file has have none."""
        ...

    def check(self, operator: Operator, tensors: Tensors) -> None:
        """Raises BadInput where shapes, dtypes or quantization contradict each other (the shape rule), Unsupported with
        advice where they are valid but no kernel runs them."""
        ...

    def macs(self, operator: Operator, tensors: Tensors) -> int:
        """Multiply-accumulates of one run, by the shapes (padding counted as if computed, as TFLite's tools do)."""
        ...

    def reference(self, operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
        """The exact result in NumPy, byte for byte TFLM's: inputs in, outputs (shape and dtype of the tensors) out."""
        ...

    def bounds(
        self, operator: Operator, tensors: Tensors, low: Sequence[Array], high: Sequence[Array]
    ) -> tuple[list[Array], list[Array]] | None:
        """The least and the most that each element of the outputs can be, given those of the inputs; None where that
        is not known."""
        ...

    def calls(self, operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
        """The kernels that can run it on a core with these features, the fastest first; the last one always takes
        it."""
        ...


Reference = Callable[[Operator, Tensors, Sequence[Array]], list[Array]]
Bounds = Callable[[Operator, Tensors, Sequence[Array], Sequence[Array]], tuple[list[Array], list[Array]] | None]


def monotone(reference: Reference) -> Bounds:
    """`bounds` of an operator whose every output grows, or stays, when any of its inputs does."""

    def bounds(
        operator: Operator, tensors: Tensors, low: Sequence[Array], high: Sequence[Array]
    ) -> tuple[list[Array], list[Array]] | None:
        return reference(operator, tensors, low), reference(operator, tensors, high)

    return bounds


def unknown(
    operator: Operator, tensors: Tensors, low: Sequence[Array], high: Sequence[Array]
) -> tuple[list[Array], list[Array]] | None:
    """`bounds` of an operator that nobody analysed."""
    return None
