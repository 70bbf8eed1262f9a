"""Structured pruning: channels that matter least are taken out of every layer that makes or reads them, so that what is
left is a smaller network of ordinary layers.

Channels that layers tie together (an addition's operands, a depthwise convolution's two sides) go together: they are
one group. A channel's score is the first-order Taylor estimate of what the loss loses with it (Molchanov et al., arXiv
1906.10771): the square of the sum of weight times gradient over what makes it, averaged over batches. What is taken
first has the least score for what it saves, in bytes or in multiply-accumulates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from shoal.errors import BadInput
from shoal.tensors import Array
from shoal.variants.model import Model, ends_in_softmax, functional, tensorflow

#: what a channel saves is counted in
Unit = Literal["bytes", "macs"]

#: channels are left in multiples of this where there are more: kernels take so many at once
MULTIPLE = 4

#: layers whose output has the channels of their input, one by one
_CHANNELWISE = frozenset(
    {
        *("Activation", "AveragePooling2D", "BatchNormalization", "Dropout", "GlobalAveragePooling2D"),
        *("GlobalMaxPooling2D", "LeakyReLU", "MaxPooling2D", "ReLU", "ZeroPadding2D", "SpatialDropout2D"),
    }
)
_MIXING = frozenset({"Conv2D", "Dense"})


@dataclass(frozen=True)
class Groups:
    """A network's channels. `reads` and `writes`: the group, and its repeats, of each layer's input and output; None
    where all must stay."""

    sizes: Mapping[int, int]
    makers: Mapping[int, tuple[str, ...]]
    reads: Mapping[str, tuple[int, int] | None]
    writes: Mapping[str, tuple[int, int] | None]


def groups(model: Model) -> Groups:
    """Which channels belong together. BadInput for a layer with several inputs that is no addition."""
    parent: dict[int, int] = {}
    sizes: dict[int, int] = {}
    values: dict[int, tuple[int, int]] = {}  # tensor → group, repeats
    fixed: set[int] = set()
    reads: dict[str, tuple[int, int]] = {}
    writes: dict[str, tuple[int, int]] = {}
    makers: dict[int, list[str]] = {}

    def root(group: int) -> int:
        while parent[group] != group:
            group = parent[group]
        return group

    def fresh(size: int) -> int:
        group = len(parent)
        parent[group], sizes[group] = group, size
        return group

    def tie(a: int, b: int) -> None:
        parent[root(b)] = root(a)

    for layer in model.layers:
        kind, name = type(layer).__name__, layer.name
        # a layer that is also called elsewhere has nodes that are not this network's
        nodes = (n for n in layer._inbound_nodes if all(id(t) in values for t in n.input_tensors))
        node = next(nodes)
        outputs, inputs = node.output_tensors, node.input_tensors
        if kind == "InputLayer":
            group = fresh(outputs[0].shape[-1])
            fixed.add(group)
            values[id(outputs[0])] = (group, 1)
            continue
        group, repeats = values[id(inputs[0])]
        reads[name] = (group, repeats)
        if kind in _MIXING:
            made = fresh(outputs[0].shape[-1])
            makers.setdefault(made, []).append(name)
            result = (made, 1)
        elif kind == "DepthwiseConv2D" and layer.depth_multiplier == 1:
            makers.setdefault(group, []).append(name)
            result = (group, 1)
        elif kind in _CHANNELWISE:
            result = (group, repeats if len(outputs[0].shape) == 2 == len(inputs[0].shape) else 1)
        elif kind == "Flatten":
            result = (group, repeats * int(np.prod(inputs[0].shape[1:-1])))
        elif kind == "Add":
            for other in inputs[1:]:
                tie(group, values[id(other)][0])
            result = (group, repeats)
        else:
            # nothing is known of it: what it reads stays, and so does what it makes
            for tensor in inputs:
                fixed.add(values[id(tensor)][0])
            made = fresh(outputs[0].shape[-1])
            fixed.add(made)
            result = (made, 1)
        values[id(outputs[0])] = result
        writes[name] = result
    fixed.add(values[id(model.outputs[0])][0])
    stay = {root(g) for g in fixed}

    def settled(pair: tuple[int, int]) -> tuple[int, int] | None:
        return None if root(pair[0]) in stay else (root(pair[0]), pair[1])

    together: dict[int, list[str]] = {}
    for group, names in makers.items():
        if root(group) not in stay:
            together.setdefault(root(group), []).extend(names)
    return Groups(
        {g: sizes[g] for g in together},
        {g: tuple(names) for g, names in together.items()},
        {n: settled(p) for n, p in reads.items()},
        {n: settled(p) for n, p in writes.items()},
    )


def scores(
    model: Model, known: Groups, x: Array, y: Array, seed: int, batches: int = 16, batch: int = 64
) -> dict[int, Array]:
    """The Taylor score of each channel of each group, float64, on up to `batches` batches of the samples."""
    tf = tensorflow()
    order = np.random.default_rng(seed).permutation(len(x))[: batches * batch]
    weights = [(g, w) for g, names in known.makers.items() for n in names for w in model.get_layer(n).trainable_weights]
    total = {g: np.zeros(n) for g, n in known.sizes.items()}
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=not ends_in_softmax(model))
    variables = [w.value for _, w in weights]
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        with tf.GradientTape() as tape:
            lost = loss(y[chosen], model([x[chosen]], training=False))
        for (group, weight), gradient in zip(weights, tape.gradient(lost, variables), strict=True):
            if gradient is None:
                continue
            share = np.asarray(weight) * np.asarray(gradient)
            size = known.sizes[group]
            # outputs are the last axis, but for a depthwise kernel's [h, w, channels, 1]
            flat = share.reshape(-1, size)
            total[group] += flat.sum(axis=0) ** 2
    return total


def savings(model: Model, known: Groups, unit: Unit) -> dict[int, float]:
    """What one channel of each group saves: int8 bytes of weights, or multiply-accumulates."""
    saved = dict.fromkeys(known.sizes, 0.0)
    for layer in model.layers:
        cost = cost_of(layer, unit)
        for pair in (known.reads.get(layer.name), known.writes.get(layer.name)):
            if pair is not None and type(layer).__name__ in (*_MIXING, "DepthwiseConv2D"):
                saved[pair[0]] += cost / known.sizes[pair[0]]
                if type(layer).__name__ == "DepthwiseConv2D":
                    break  # both sides are the same channel
    return saved


def cost_of(layer: Any, unit: Unit) -> float:
    """Of one layer: int8 bytes of weights with an int32 bias, or multiply-accumulates of one inference."""
    kind = type(layer).__name__
    if kind not in (*_MIXING, "DepthwiseConv2D"):
        return 0.0
    kernel = layer.kernel
    products = float(np.prod(kernel.shape))
    if unit == "bytes":
        return products + (4.0 * layer.bias.shape[0] if layer.use_bias else 0.0)
    output = layer._inbound_nodes[0].output_tensors[0].shape
    pixels = float(np.prod(output[1:-1])) if len(output) > 2 else 1.0
    return products * pixels


def cost(model: Model, unit: Unit) -> float:
    """Of the whole network."""
    return sum(cost_of(layer, unit) for layer in model.layers)


def choose(model: Model, known: Groups, score: Mapping[int, Array], unit: Unit, share: float) -> dict[int, Array]:
    """Which channels stay, a bool for each of a group, so that about `share` of the cost is left: those of the least
    score for what they save go first, and a group keeps a multiple of four, at least one such (where it has one)."""
    if not 0 < share <= 1:
        raise BadInput(f"a share of {share}", where="pruning", advice="give one above 0 and up to 1")
    saved = savings(model, known, unit)
    masks = {g: np.ones(n, bool) for g, n in known.sizes.items()}
    ranks = {g: np.argsort(score[g], kind="stable") for g in masks}
    target = share * cost(model, unit)
    while masked_cost(model, known, masks, unit) > target:
        best: tuple[float, int, Array] | None = None
        for group, mask in masks.items():
            left = int(mask.sum())
            step = left % MULTIPLE or MULTIPLE
            if left - step < min(MULTIPLE, known.sizes[group]):
                continue
            going = [c for c in ranks[group] if mask[c]][:step]
            worth = float(score[group][going].sum()) / max(step * saved[group], 1e-12)
            if best is None or worth < best[0]:
                best = (worth, group, np.array(going))
        if best is None:
            break
        masks[best[1]][best[2]] = False
    return masks


def masked_cost(model: Model, known: Groups, masks: Mapping[int, Array], unit: Unit) -> float:
    """What the network would cost with these channels."""
    total = 0.0
    for layer in model.layers:
        factor = 1.0
        pairs = [known.reads.get(layer.name), known.writes.get(layer.name)]
        if type(layer).__name__ == "DepthwiseConv2D":
            pairs = pairs[:1]
        for pair in pairs:
            if pair is not None:
                factor *= float(masks[pair[0]].mean())
        total += cost_of(layer, unit) * factor
    return total


def pruned(model: Model, known: Groups, masks: Mapping[int, Array]) -> Model:
    """The network without the channels whose mask is false, its weights those that are left."""
    keras = tensorflow().keras

    def kept(pair: tuple[int, int] | None) -> Array | None:
        return None if pair is None else np.tile(masks[pair[0]], pair[1])

    def smaller(layer: Any) -> Any:
        config = layer.get_config()
        mask = kept(known.writes.get(layer.name))
        if mask is not None and type(layer).__name__ in _MIXING:
            config["filters" if "filters" in config else "units"] = int(mask.sum())
        return type(layer).from_config(config)

    result = keras.models.clone_model(model, clone_function=smaller)
    for layer in model.layers:
        if not layer.weights:
            continue
        before, after = kept(known.reads.get(layer.name)), kept(known.writes.get(layer.name))
        kind = type(layer).__name__
        values = []
        for value in layer.get_weights():
            if kind == "DepthwiseConv2D":
                value = value if before is None else value[..., before, :] if value.ndim == 4 else value[before]
            elif kind == "BatchNormalization":
                value = value if before is None else value[before]
            elif kind in _MIXING:
                if before is not None and value.ndim > 1:
                    value = value[..., before, :]
                value = value if after is None else value[..., after]
            values.append(value)
        result.get_layer(layer.name).set_weights(values)
    return result


def prune(model: Model, x: Array, y: Array, share: float, unit: Unit = "bytes", seed: int = 0) -> Model:
    """The network with about `share` of its cost; `model` is left as it is. BadInput where nothing can be taken out."""
    model = functional(model)
    known = groups(model)
    if not known.sizes:
        raise BadInput(
            "no layer has channels that could be taken out",
            where=model.name,
            advice="structured pruning takes Conv2D, DepthwiseConv2D and Dense layers in front of the last one",
        )
    return pruned(model, known, choose(model, known, scores(model, known, x, y, seed), unit, share))


def channels(model: Model) -> dict[str, int]:
    """How many output channels each layer of weights has."""
    return {x.name: int(x.kernel.shape[-1]) for x in model.layers if type(x).__name__ in _MIXING}
