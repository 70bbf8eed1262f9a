"""Variants in one image: networks of the same weights and other quantization, or others altogether, over one arena.

A packet names the variant that runs. Where variants have a layer's weights in common, its kernel is one that reads them
from an array of their own, apart from what requantizes: then each further variant takes its tables alone."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.boards.board import Board
from shoal.errors import Unsupported
from shoal.network.graph import Graph
from shoal.operators.base import Call
from shoal.plan.assemble import begins
from shoal.plan.fit import shortfall
from shoal.plan.planner import by_calls, choices
from shoal.plan.predict import predict
from shoal.plan.residents import ANY_SEAT, image, slots
from shoal.plan.steps import Options, Plan


def together(graphs: Sequence[Graph], board: Board, options: Options) -> Plan:
    """An image of simplified networks, numbered as they come, over whole tensors; inputs and outputs wait beside the
    arena where there is room. DoesNotFit where it is too large, Unsupported where a network is to travel in rows."""
    if options.feed != "whole" or options.drain != "whole":
        raise Unsupported(
            "variants take and give whole tensors", where="--variant", advice="leave --feed and --drain out"
        )
    every = [choices(graph, board) for graph in graphs]
    first = [_picked(calls, [c[i] for c in every[1:] if i < len(c)]) for i, calls in enumerate(every[0])]
    plans = [by_calls(graphs[0], board, options, first)]
    for graph, calls in zip(graphs[1:], every[1:], strict=True):
        alike = [_like(c, first[i]) if i < len(first) else c[0] for i, c in enumerate(calls)]
        plans.append(by_calls(graph, board, options, alike))
    numbered = list(enumerate(plans))
    bare = image(numbered, 0, 0, ANY_SEAT)
    sizes = [max(sum(g.tensors[t].bytes for t in ts(g)) for g in graphs) for ts in (_inputs, _outputs)]
    receives, retains = slots(bare, predict(bare), sizes[0], sizes[1])
    made = image(numbered, sizes[0] * receives, sizes[1] * retains, ANY_SEAT)
    problem = shortfall(made, predict(made))
    if problem is not None:
        raise problem
    return made


def _inputs(graph: Graph) -> tuple[int, ...]:
    return graph.inputs


def _outputs(graph: Graph) -> tuple[int, ...]:
    return graph.outputs


def _picked(calls: Sequence[Call], others: Sequence[Sequence[Call]]) -> Call:
    """The fastest call whose largest array every other variant's layer can read as well; the fastest where none is."""
    return next((c for c in calls if others and all(_shares(_like(o, c), c) for o in others)), calls[0])


def _like(calls: Sequence[Call], first: Call) -> Call:
    """The call of the same kernel and shape, if it reads the same array; else the fastest."""
    return next(
        (c for c in calls if c.kernel == first.kernel and c.shape == first.shape and _shares(c, first)), calls[0]
    )


def _shares(call: Call, first: Call) -> bool:
    """Whether two calls read one largest array; kernels without constants do."""
    largest = [max(c.constants, key=lambda k: k.bytes, default=None) for c in (call, first)]
    one, other = largest
    if one is None or other is None:
        return one is other
    return one.bytes == other.bytes and begins(one, other)
