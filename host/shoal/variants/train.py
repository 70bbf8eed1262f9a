"""Fitting: a network to labels and, where there is one, to a teacher's answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoal.errors import BadInput
from shoal.tensors import Array
from shoal.variants.model import Model, ends_in_softmax, tensorflow


@dataclass(frozen=True)
class Fit:
    """How to fit. `rate`: of Adam at its start, falling to zero by a cosine; `distil`: the teacher's share of the loss,
    its answers softened by `temperature` (Hinton et al., arXiv 1503.02531)."""

    epochs: int
    rate: float = 1e-3
    batch: int = 64
    distil: float = 0.5
    temperature: float = 4.0
    seed: int = 0


#: called after each epoch with (epochs done, of how many)
Epoch = Callable[[int, int], None]


def fit(
    model: Model, x: Array, y: Array, how: Fit, teacher: Model | None = None, told: Epoch = lambda done, total: None
) -> Model:
    """`model` itself, fitted to float32 `x` (N, *input shape) and integer labels `y` (N,). BadInput where the loss is
    no number any more."""
    tf = tensorflow()
    keras = tf.keras
    keras.utils.set_random_seed(how.seed)
    soft = None if teacher is None or how.distil == 0 else logits_of(teacher, x) / how.temperature
    targets = y if soft is None else {"label": y, "soft": _softmax(soft)}
    probabilities = ends_in_softmax(model)

    told_of: Any = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: _watch(epoch, logs, how, told))
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    kl = keras.losses.KLDivergence()

    def call(self: Any, inputs: Any, training: bool = False) -> Any:
        answers = self.network(inputs, training=training)
        # their logarithms are logits, less the same for all classes
        return tf.math.log(tf.maximum(answers, 1e-9)) if probabilities else answers

    def compute_loss(self: Any, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
        if soft is None:
            return hard(y, y_pred)
        softened = tf.nn.softmax(y_pred / how.temperature)
        weight = how.distil * how.temperature**2
        return (1 - how.distil) * hard(y["label"], y_pred) + weight * kl(y["soft"], softened)

    trained = type("Student", (keras.Model,), {"call": call, "compute_loss": compute_loss})()
    trained.network = model  # Keras looks for what it trains among the attributes
    steps = how.epochs * -(-len(x) // how.batch)
    trained.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(how.rate, steps)), jit_compile=False)
    trained.fit(x, targets, epochs=how.epochs, batch_size=how.batch, shuffle=True, verbose=0, callbacks=[told_of])
    return model


def _watch(epoch: int, logs: Mapping[str, float] | None, how: Fit, told: Epoch) -> None:
    loss = (logs or {}).get("loss", math.nan)
    if not math.isfinite(loss):
        raise BadInput(
            f"the loss is {loss} in epoch {epoch + 1}",
            where="training",
            advice="lower the learning rate, or look for values in the data that are not finite",
        )
    told(epoch + 1, how.epochs)


def logits_of(model: Model, x: Array) -> Array:
    """Float32 (N, classes), what a softmax would be taken of."""
    answers = np.asarray(model.predict(x, batch_size=256, verbose=0), np.float32).reshape(len(x), -1)
    return np.log(np.maximum(answers, 1e-9)) if ends_in_softmax(model) else answers


def accuracy(model: Model, x: Array, y: Array) -> float:
    """The share of samples whose largest answer is their label's."""
    return float(np.mean(logits_of(model, x).argmax(axis=1) == y))


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
