"""Structured pruning: what is left computes what the network computed without those channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="needs shoal's extra `tensorflow`")

from shoal.demo.train import network  # noqa: E402  # only where there is TensorFlow
from shoal.errors import BadInput  # noqa: E402  # only where there is TensorFlow
from shoal.variants import prune  # noqa: E402  # only where there is TensorFlow
from shoal.variants.model import functional  # noqa: E402  # only where there is TensorFlow


@pytest.fixture(scope="module")
def model() -> Any:
    tf.keras.utils.set_random_seed(1)
    made = network(tf.keras)
    rng = np.random.default_rng(0)
    # normalization that does something, and weights that no channel shares
    made.set_weights([w + rng.uniform(0.01, 0.2, w.shape).astype(np.float32) for w in made.get_weights()])
    return functional(made)


def test_tied_channels_are_one_group(model: Any) -> None:
    assert sorted(prune.groups(model).sizes.values()) == [16, 32, 48]


def test_silent_channels_can_go_without_a_difference(model: Any) -> None:
    """Channels whose every maker writes zero, and which nothing reads: the rest is computed as before."""
    known = prune.groups(model)
    rng = np.random.default_rng(2)
    masks = {g: rng.permutation(np.arange(n) >= n // 4) for g, n in known.sizes.items()}
    silenced = tf.keras.models.clone_model(model)
    silenced.set_weights(model.get_weights())
    for layer in silenced.layers:
        pair = known.reads.get(layer.name)
        if pair is None or type(layer).__name__ not in ("Conv2D", "Dense"):
            continue
        kernel, *rest = layer.get_weights()
        kernel[..., ~np.tile(masks[pair[0]], pair[1]), :] = 0
        layer.set_weights([kernel, *rest])
    x = rng.random((3, 28, 28, 1), np.float32)
    smaller = prune.pruned(model, known, masks)
    np.testing.assert_allclose(smaller.predict(x, verbose=0), silenced.predict(x, verbose=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("unit", ["bytes", "macs"])
def test_costs_fall_to_the_share_in_whole_blocks(model: Any, unit: Any) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.random((64, 28, 28, 1), np.float32), rng.integers(0, 10, 64)
    smaller = prune.prune(model, x, y, 0.5, unit)
    assert 0.25 < prune.cost(smaller, unit) / prune.cost(model, unit) <= 0.5
    assert all(n % prune.MULTIPLE == 0 for name, n in prune.channels(smaller).items() if name != "digit")
    assert smaller.predict(x, verbose=0).shape == (64, 10)


def test_refuses_where_nothing_can_go() -> None:
    inputs = tf.keras.Input((4,))
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(3)(inputs))
    with pytest.raises(BadInput, match="no layer has channels"):
        prune.prune(model, np.zeros((8, 4), np.float32), np.zeros(8, int), 0.5)
