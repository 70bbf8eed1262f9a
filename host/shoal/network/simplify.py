"""Exact rewrites: fewer operators, the same bytes.

Each rewrite is a pure function from a graph to a graph. Operators keep the model file's tensor indices, so that every
value that is left can be compared with the oracle's, and the file's operator indices as `sources`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shoal.errors import ShoalError, Unsupported
from shoal.network.dead_channels import drop_dead_channels
from shoal.network.execute import run
from shoal.network.graph import Graph
from shoal.operators import kind
from shoal.operators.base import Operator
from shoal.operators.window import Window, extent

#: a constant that is computed here goes to flash
_MOST_CONSTANT_BYTES = 1 << 20

#: operators that read their first input as a flat row of bytes, whatever its shape
_FLATTENING = {"fully_connected", "reshape"}


def simplify(graph: Graph) -> Graph:
    """All rewrites, until none finds anything more; operators numbered anew, in order.

    Unsupported where an output does not depend on any input."""
    rewrites: tuple[Callable[[Graph], Graph], ...] = (
        drop_unused,
        fold_constants,
        drop_identities,
        skip_reshapes,
        fold_padding,
    )
    count = -1
    while count != len(graph.operators):
        count = len(graph.operators)
        for rewrite in rewrites:
            graph = rewrite(graph)
    graph = drop_dead_channels(graph)
    return graph.rebuilt((replace(o, index=i) for i, o in enumerate(graph.operators)))


def fold_constants(graph: Graph) -> Graph:
    """Computes operators that read nothing but constants."""
    tensors = dict(graph.tensors)
    kept = []
    for o in graph.operators:
        if any(t is not None and tensors[t].data is None for t in o.inputs):
            kept.append(o)
            continue
        if any(t in graph.outputs for t in o.outputs):
            raise Unsupported(
                f"output {tensors[o.outputs[0]].name!r} does not depend on any input",
                where=f"{graph.name}, operator {o.sources[0]} {o.kind}",
                advice="remove the output, or connect it to the input",
            )
        if sum(tensors[t].bytes for t in o.outputs) > _MOST_CONSTANT_BYTES:
            raise Unsupported(
                f"constant {tensors[o.outputs[0]].name!r} of {tensors[o.outputs[0]].bytes:,} bytes",
                where=f"{graph.name}, operator {o.sources[0]} {o.kind}",
                advice=f"make it smaller: at most {_MOST_CONSTANT_BYTES:,} bytes are computed ahead",
            )
        for index, value in zip(o.outputs, run(o, tensors, {}), strict=True):
            value.flags.writeable = False
            tensors[index] = replace(tensors[index], data=value)
    return graph.rebuilt(kept, tensors)


def drop_identities(graph: Graph) -> Graph:
    """Drops operators that copy x to y: a QUANTIZE between equal quantizations, a PAD by nothing, a RESHAPE to the same
    shape. What read y reads x; where y is an output of the network, what wrote x writes y."""
    source: dict[int, int] = {}  # y → x
    operators = []
    for o in graph.operators:
        o = _renamed(o, source)
        if o.outputs[0] not in graph.outputs and _copies(graph, o):
            assert o.inputs[0] is not None
            source[o.outputs[0]] = o.inputs[0]
        else:
            operators.append(o)
    target: dict[int, int] = {}  # x → y
    written = {t for o in operators for t in o.outputs}.difference(graph.outputs)
    kept = []
    for o in operators:
        x = o.inputs[0]
        if x in written and x not in target and _copies(graph, o):
            target[x] = o.outputs[0]
        else:
            kept.append(o)
    return graph.rebuilt(_renamed(o, target) for o in kept)


def _copies(graph: Graph, o: Operator) -> bool:
    if o.kind not in ("quantize", "pad", "reshape") or o.inputs[0] is None:
        return False
    x, y = graph.tensors[o.inputs[0]], graph.tensors[o.outputs[0]]
    return (x.shape, x.dtype, x.quantization) == (y.shape, y.dtype, y.quantization)


def _renamed(o: Operator, names: dict[int, int]) -> Operator:
    return replace(
        o,
        inputs=tuple(t if t is None else names.get(t, t) for t in o.inputs),
        outputs=tuple(names.get(t, t) for t in o.outputs),
    )


def skip_reshapes(graph: Graph) -> Graph:
    """Lets operators that flatten their input read what a RESHAPE reads; the RESHAPE is dropped when nothing reads it
    any more."""
    operators: list[Operator] = []
    writer: dict[int, Operator] = {}
    for o in graph.operators:
        before = writer.get(o.inputs[0]) if o.inputs[0] is not None else None
        if o.kind in _FLATTENING and before is not None and before.kind == "reshape":
            x, y = before.inputs[0], before.outputs[0]
            assert x is not None
            skipping = replace(o, inputs=(x, *o.inputs[1:]))
            if graph.tensors[x].quantization == graph.tensors[y].quantization and _valid(skipping, graph):
                o = skipping
        operators.append(o)
        writer.update(dict.fromkeys(o.outputs, o))
    return drop_unused(graph.rebuilt(operators))


def _valid(o: Operator, graph: Graph) -> bool:
    """Whether the operator's own file takes it with these operands."""
    try:
        kind(o.kind).check(o, graph.tensors)
    except ShoalError:
        return False
    return True


def drop_unused(graph: Graph) -> Graph:
    """Drops operators whose outputs nothing reads."""
    wanted = set(graph.outputs)
    kept = []
    for o in reversed(graph.operators):
        if any(t in wanted for t in o.outputs):
            kept.append(o)
            wanted.update(t for t in o.inputs if t is not None)
    return graph.rebuilt(reversed(kept))


def fold_padding(graph: Graph) -> Graph:
    """Lets convolutions pad their windows themselves where a PAD is in front of them.

    TFLM pads int8 with the output's zero point, which is what a convolution takes padding for; so this is exact
    whenever both sides of the PAD have the same quantization."""
    operators: list[Operator] = []
    pads = {o.outputs[0]: o for o in graph.operators if o.kind == "pad"}
    for o in graph.operators:
        pad = pads.get(o.inputs[0]) if o.kind in ("conv_2d", "depthwise_conv_2d") and o.inputs[0] is not None else None
        folded = _folded(graph, pad, o) if pad is not None else None
        operators.append(folded or o)
    return drop_unused(graph.rebuilt(operators))


def _folded(graph: Graph, pad: Operator, convolution: Operator) -> Operator | None:
    """The convolution with the PAD in its window; None where that is not the same."""
    x, amounts = (graph.tensors[t] for t in pad.inputs if t is not None)
    padded, weights = (graph.tensors[t] for t in convolution.inputs[:2] if t is not None)
    if x.quantization != padded.quantization or amounts.data is None or len(x.shape) != 4:
        return None
    batch, (top, bottom), (left, right), channels = amounts.data.tolist()
    if batch != [0, 0] or channels != [0, 0]:
        return None
    own: Window = convolution.attributes
    window = replace(
        own,
        pad_top=own.pad_top + top,
        pad_bottom=own.pad_bottom + bottom,
        pad_left=own.pad_left + left,
        pad_right=own.pad_right + right,
    )
    height, width = extent(weights.shape[1], window.dilation_h), extent(weights.shape[2], window.dilation_w)
    if max(window.pad_top, window.pad_bottom) >= height or max(window.pad_left, window.pad_right) >= width:
        return None  # kernels may take for granted that every window touches the input
    folded = replace(
        convolution,
        inputs=(x.index, *convolution.inputs[1:]),
        attributes=window,
        sources=(*pad.sources, *convolution.sources),
    )
    return folded if _valid(folded, graph) else None
