"""Keras networks as .tflite files, in the formats that firmware runs: by TensorFlow's own converter, which folds batch
normalization and activations as it goes."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import numpy as np

from shoal.errors import BadInput
from shoal.tensors import Array
from shoal.variants.model import Model, functional, tensorflow

#: training samples that ranges of activations are taken from, where nobody says otherwise
CALIBRATION = 200


def float32(model: Model) -> bytes:
    """Nothing quantized."""
    return _convert(model, lambda tf, converter: None)


def float16(model: Model) -> bytes:
    """Weights in float16, computing in float32."""

    def settle(tf: Any, converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]

    return _convert(model, settle)


def int8(model: Model, samples: Array) -> bytes:
    """Full integer, int8 in and out, weights per channel; ranges from `samples` (N, *input shape), float32."""
    if not len(samples):
        raise BadInput("no samples to take ranges from", where="quantization to int8")

    def settle(tf: Any, converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([one[None]] for one in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8

    return _convert(model, settle)


def pick(samples: Array, seed: int, count: int = CALIBRATION) -> Array:
    """So many of the samples, drawn by `seed`, in float32."""
    order = np.random.default_rng(seed).permutation(len(samples))[:count]
    return np.ascontiguousarray(samples[np.sort(order)], np.float32)


def _convert(model: Model, settle: Callable[[Any, Any], None]) -> bytes:
    """A batch of one leaves no operators that work out shapes at run time."""
    tf = tensorflow()
    keras = tf.keras
    source = functional(model)
    one = keras.models.clone_model(source, input_tensors=[keras.Input(batch_shape=(1, *source.inputs[0].shape[1:]))])
    one.set_weights(source.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(one)
    settle(tf, converter)
    try:
        with redirect_stdout(io.StringIO()):  # Keras describes there what it exports
            return bytes(converter.convert())
    except Exception as error:  # whatever the converter raises
        raise BadInput(
            f"TensorFlow's converter refuses it: {str(error).strip().splitlines()[0][:200]}",
            where=model.name,
            advice="use layers that TensorFlow Lite knows",
        ) from error
