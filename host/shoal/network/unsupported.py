"""Models that are valid but nothing that shoal runs: what they ask for, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from shoal.errors import Unsupported
from shoal.operators import NAMES
from shoal.operators.base import Operator
from shoal.tensors import Tensor

QUANTIZE = (
    "quantize it to full int8: optimizations = [tf.lite.Optimize.DEFAULT], a representative_dataset and "
    "target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]"
)

_HINTS = (
    (
        {"CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"},
        "state kept between runs: export the model that takes its whole window at once (not streaming)",
    ),
    (
        {"LSTM", "SVDF", "RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"}
        | {"BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN"},
        "recurrent layers: replace them by convolutions over time",
    ),
    (
        {"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"},
        "put the activation right behind a convolution, fully connected layer or ADD: the converter then fuses it",
    ),
    ({"CUSTOM"}, "convert without custom operators (allow_custom_ops = False)"),
)

#: operators that only move or convert values: they do not tell what a model computes in
_CONVERSIONS = {"dequantize", "quantize", "reshape"}


def refuse_operators(listed: Sequence[str], kinds: set[str], where: str) -> NoReturn:
    """All operators that shoal lacks: each in words, and the kinds of them by TFLite's names."""
    hints = [hint for hinted, hint in _HINTS if kinds & hinted]
    if kinds - set[str]().union(*(hinted for hinted, _ in _HINTS)):
        hints.append("rebuild the model from what shoal runs: " + ", ".join(n.upper() for n in NAMES))
    count = f"{len(listed)} operators are" if len(listed) > 1 else "1 operator is"
    raise Unsupported(f"{count} not supported: {'; '.join(listed)}", where=where, advice="; ".join(hints))


def refuse_unquantized(operators: Sequence[Operator], tensors: Sequence[Tensor], where: str) -> None:
    """One plain word for a model that computes in anything but int8 or float32."""
    for o in operators:
        dtypes = _dtypes(o, tensors)
        if o.kind in _CONVERSIONS or dtypes == {"int8"}:
            continue
        if dtypes == {"float32"}:
            continue
        what = f"computes in {', '.join(sorted(dtypes - {'int8'}))}"
        raise Unsupported(what, where=f"{where}, operator {o.index} {o.kind}", advice=QUANTIZE)


def _dtypes(o: Operator, tensors: Sequence[Tensor]) -> set[str]:
    """What an operator computes on: its data and its result, not its weights."""
    data = 2 if o.kind in ("add", "mul") else 1
    return {tensors[i].dtype for i in (*o.inputs[:data], *o.outputs) if i is not None}
