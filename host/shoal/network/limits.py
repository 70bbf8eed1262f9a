"""How large a model may be before nobody looks at it any further.

Each limit is far above what a microcontroller runs, and low enough that a file which asks for more than it holds costs
neither memory nor time."""

from __future__ import annotations

from shoal.errors import Unsupported
from shoal.operators import kind
from shoal.operators.base import Operator, Tensors
from shoal.operators.checks import where
from shoal.operators.pooling import Pool
from shoal.operators.window import Window

MIB = 1 << 20

FILE_BYTES = 64 * MIB
#: of a tensor that the network computes
TENSOR_BYTES = 8 * MIB
TENSORS = 5000
OPERATORS = 1000
DIMENSIONS = 8
#: characters of a name that are shown
NAME = 1000
#: what arithmetic on scales cannot carry to infinity; weights that training drove to nothing may be smaller
LEAST_SCALE, MOST_SCALE = 2.0**-64, 2.0**64

_MACS = 1 << 31
_POOLED = 1 << 16  # elements under a pool's window


def check_work(operator: Operator, tensors: Tensors) -> None:
    """Unsupported where one operator, valid by itself, is endless work: for the chip, or for what analyses it here."""
    macs = kind(operator.kind).macs(operator, tensors)
    if macs > _MACS:
        raise Unsupported(f"{macs:,} multiply-accumulates", where=where(operator), advice="take a smaller model")
    if not isinstance(operator.attributes, Window) or operator.inputs[0] is None:
        return
    window = operator.attributes
    batches, height, width, channels = tensors[operator.inputs[0]].shape
    height += window.pad_top + window.pad_bottom
    width += window.pad_left + window.pad_right
    if batches * height * width * channels > TENSOR_BYTES:
        raise Unsupported(
            f"its padded input is {height} × {width}", where=where(operator), advice="take a smaller window"
        )
    if isinstance(window, Pool):
        pooled = window.filter_h * window.filter_w
        if pooled > _POOLED:
            raise Unsupported(f"pools {pooled:,} elements at once", where=where(operator), advice="pool in steps")
