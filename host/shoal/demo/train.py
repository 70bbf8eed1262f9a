"""Trains the demo's network and writes it as an int8 .tflite: `python -m shoal.demo.train` (extra `tensorflow`).

A depthwise-separable network with one residual block, small enough for any board, on augmented digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from shoal.demo.digits import Digits, load

MODEL = Path(__file__).with_name("digits.tflite")
EPOCHS = 60
SEED = 1


def network(keras: Any, batch: int | None = None) -> Any:
    """28×28×1 → ten classes, batch normalization after every convolution. A fixed batch of one leaves no operators in
    the .tflite that work out shapes at run time."""
    layers = keras.layers

    def block(x: Any, channels: int, stride: int) -> Any:
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(channels, 1, use_bias=False)(x)
        return layers.BatchNormalization()(x)

    image = layers.Input((28, 28, 1), batch_size=batch, name="image")
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.ReLU()(block(x, 32, 2))
    x = layers.ReLU()(layers.Add()([x, block(x, 32, 1)]))
    x = layers.ReLU()(block(x, 48, 2))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(x))


def train(tf: Any, data: Digits) -> Any:
    """Fits the network to shifted, rotated and zoomed copies of the digits."""
    keras = tf.keras
    keras.utils.set_random_seed(SEED)
    shake = keras.Sequential(
        [
            keras.layers.RandomTranslation(0.08, 0.08, fill_mode="constant"),
            keras.layers.RandomRotation(0.04, fill_mode="constant"),
            keras.layers.RandomZoom(0.1, fill_mode="constant"),
        ]
    )
    batches = (
        tf.data.Dataset.from_tensor_slices((data.images, data.labels))
        .shuffle(len(data.labels), seed=SEED)
        .batch(64)
        .map(lambda x, y: (shake(x, training=True), y))
    )
    model = network(keras)
    rate = keras.optimizers.schedules.CosineDecay(4e-3, EPOCHS * len(batches))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(batches, epochs=EPOCHS, verbose=2)
    return model


def convert(tf: Any, model: Any, data: Digits) -> bytes:
    """Full integer, int8 in and out, calibrated on 300 training images."""
    one = network(tf.keras, batch=1)
    one.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(one)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    pick = np.random.default_rng(SEED).choice(len(data.images), 300, replace=False)
    converter.representative_dataset = lambda: ([data.images[i : i + 1]] for i in pick)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def main() -> None:
    import tensorflow as tf

    training, test = load()
    model = train(tf, training)
    print("float accuracy on the held-out digits:", model.evaluate(test.images, test.labels, verbose=0)[1])
    MODEL.write_bytes(convert(tf, model, training))
    print(f"wrote {MODEL} ({MODEL.stat().st_size} bytes)")


if __name__ == "__main__":
    main()
