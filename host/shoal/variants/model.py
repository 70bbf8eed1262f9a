"""Trained networks from files, and what every transform of one needs to know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from shoal.errors import BadInput, ToolError

#: a Keras model; its classes have no types
Model = Any

SUFFIXES = (".keras", ".h5", ".hdf5")


def tensorflow() -> Any:
    """TensorFlow, quiet. ToolError where it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ToolError(
            f"TensorFlow cannot be loaded: {error}",
            where="shoal compress",
            advice="pip install 'shoal[tensorflow]'; all other commands work without it",
        ) from None
    return tf


def load(path: Path) -> Model:
    """A Keras model with one input and one output, whose sizes are known but for the batch. BadInput otherwise."""
    tf = tensorflow()
    if path.suffix.lower() not in SUFFIXES:
        raise BadInput(
            f"a {path.suffix or 'file without an ending'} is no trained network",
            where=str(path),
            advice=f"give a Keras model: {', '.join(SUFFIXES)}",
        )
    try:
        model = tf.keras.models.load_model(path, compile=False)
    except Exception as error:  # whatever a damaged file makes Keras raise
        raise BadInput(
            f"Keras cannot read it: {str(error).splitlines()[0][:200]}",
            where=str(path),
            advice="save it again by model.save('model.keras')",
        ) from error
    for what, tensors in (("inputs", model.inputs), ("outputs", model.outputs)):
        if len(tensors) != 1:
            raise BadInput(f"{len(tensors)} {what}", where=str(path), advice="one input and one output are due")
    if None in model.inputs[0].shape[1:]:
        raise BadInput(
            f"input of unknown size {model.inputs[0].shape}", where=str(path), advice="give its Input layer a shape"
        )
    return functional(model)


def functional(model: Model) -> Model:
    """The same layers as a graph, whatever kind of model they were built as."""
    return tensorflow().keras.Model(model.inputs, model.outputs, name=model.name)


def clone(model: Model) -> Model:
    """The same network with weights of its own."""
    copied = tensorflow().keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    return copied


def ends_in_softmax(model: Model) -> bool:
    """Whether the outputs are probabilities, not logits."""
    last = model.layers[-1]
    activation = getattr(last, "activation", None)
    return type(last).__name__ == "Softmax" or getattr(activation, "__name__", "") == "softmax"
