"""Random int8 networks of all operators, valid for TensorFlow Lite Micro: what property tests draw from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflite_builder import ModelBuilder


class RandomNetwork:
    """One network drawn from a seed: a chain with branches, `operators` long or a little longer."""

    def __init__(self, seed: int, operators: int = 5) -> None:
        self.rng = np.random.default_rng(seed)
        self.b = ModelBuilder()
        self.made: list[tuple[int, tuple[int, ...], float, int]] = []  # tensor, shape, scale, zero point
        shape = (1, *(int(self.rng.integers(3, 9)) for _ in range(2)), int(self.rng.integers(1, 6)))
        self.input = self.activation(shape)
        for _ in range(operators):
            self.grow()
        self.output = self.made[-1][0]
        self.model = self.b.build(inputs=[self.input], outputs=[self.output])
        self.input_shape = shape

    def random_input(self) -> np.ndarray:
        return self.rng.integers(-128, 128, self.input_shape).astype(np.int8)

    def activation(self, shape: tuple[int, ...], scale: float | None = None, zero_point: int | None = None) -> int:
        scale = float(np.float32(self.rng.uniform(0.02, 0.3))) if scale is None else scale
        zero_point = int(self.rng.integers(-128, 128)) if zero_point is None else zero_point
        tensor = self.b.tensor(shape, scale=scale, zero_point=zero_point)
        self.made.append((tensor, shape, scale, zero_point))
        return tensor

    def grow(self) -> None:
        rank = len(self.made[-1][1])
        choices: list[Callable[[], None]] = [self.fully_connected, self.unary, self.reshape, self.binary, self.constant]
        if rank == 4:
            choices += [self.convolution, self.convolution, self.depthwise, self.pool, self.mean, self.pad]
        choices[int(self.rng.integers(len(choices)))]()

    def weights(self, shape: tuple[int, ...], axis: int, input_scale: float) -> tuple[int, int]:
        """Weights per channel along `axis`, and a bias; now and then most weights are zero and some biases saturate, so
        that channels are dead."""
        channels = shape[axis]
        scale = np.float32(self.rng.uniform(0.005, 0.05, channels))
        values = self.rng.integers(-127, 128, shape).astype(np.int8)
        bias = self.rng.integers(-1000, 1000, channels).astype(np.int32)
        if self.rng.random() < 0.4:
            values[self.rng.random(shape) < 0.8] = 0
            silent = self.rng.random(channels) < 0.5
            bias[silent] = self.rng.choice([-(1 << 24), 0, 1 << 24], silent.sum())
        return (
            self.b.tensor(data=values, scale=scale, zero_point=[0] * channels, axis=axis),
            self.b.tensor(data=bias, scale=scale * np.float32(input_scale), zero_point=[0] * channels),
        )

    def pick_activation(self) -> str:
        return str(self.rng.choice(["NONE", "RELU", "RELU6"]))

    def window(self, height: int, width: int, kernel: tuple[int, int]) -> tuple[dict[str, object], tuple[int, int]]:
        """Options and output size of a window that fits."""
        stride = [int(self.rng.integers(1, 3)) for _ in range(2)]
        padding = "SAME" if self.rng.random() < 0.5 or kernel[0] > height or kernel[1] > width else "VALID"
        size = (height, width) if padding == "SAME" else (height - kernel[0] + 1, width - kernel[1] + 1)
        options = {"padding": padding, "stride_h": stride[0], "stride_w": stride[1]}
        return options, (-(-size[0] // stride[0]), -(-size[1] // stride[1]))

    def kernel(self) -> tuple[int, int]:
        return int(self.rng.integers(1, 4)), int(self.rng.integers(1, 4))

    def convolution(self) -> None:
        x, (_, h, w, c), scale, _ = self.made[-1]
        kernel, channels = self.kernel(), int(self.rng.integers(1, 7))
        options, size = self.window(h, w, kernel)
        weights, bias = self.weights((channels, *kernel, c), 0, scale)
        y = self.activation((1, *size, channels))
        self.b.operator("CONV_2D", [x, weights, bias], [y], activation=self.pick_activation(), **options)

    def depthwise(self) -> None:
        x, (_, h, w, c), scale, _ = self.made[-1]
        kernel, multiplier = self.kernel(), int(self.rng.integers(1, 3))
        options, size = self.window(h, w, kernel)
        weights, bias = self.weights((1, *kernel, c * multiplier), 3, scale)
        y = self.activation((1, *size, c * multiplier))
        self.b.operator(
            "DEPTHWISE_CONV_2D",
            [x, weights, bias],
            [y],
            depth_multiplier=multiplier,
            activation=self.pick_activation(),
            **options,
        )

    def fully_connected(self) -> None:
        x, shape, scale, _ = self.made[-1]
        units, inputs = int(self.rng.integers(1, 9)), int(np.prod(shape))
        w_scale = float(np.float32(self.rng.uniform(0.005, 0.05)))
        weights = self.b.tensor(
            data=self.rng.integers(-127, 128, (units, inputs)).astype(np.int8), scale=w_scale, zero_point=0
        )
        bias = self.b.tensor(
            data=self.rng.integers(-1000, 1000, units).astype(np.int32), scale=w_scale * scale, zero_point=0
        )
        y = self.activation((1, units))
        self.b.operator("FULLY_CONNECTED", [x, weights, bias], [y], activation=self.pick_activation())

    def pool(self) -> None:
        x, (_, h, w, c), scale, zero_point = self.made[-1]
        kernel = self.kernel()
        options, size = self.window(h, w, kernel)
        y = self.activation((1, *size, c), scale, zero_point)
        name = str(self.rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
        self.b.operator(name, [x], [y], filter_height=kernel[0], filter_width=kernel[1], **options)

    def mean(self) -> None:
        x, (_, _, _, c), _, _ = self.made[-1]
        keep = bool(self.rng.integers(2))
        axes = self.b.tensor(data=np.array([1, 2], np.int32))
        y = self.activation((1, 1, 1, c) if keep else (1, c))
        self.b.operator("MEAN", [x, axes], [y], keep_dims=keep)

    def pad(self) -> None:
        x, (_, h, w, c), scale, zero_point = self.made[-1]
        amounts = np.zeros((4, 2), np.int32)
        amounts[1:3] = self.rng.integers(0, 3, (2, 2))
        if self.rng.random() < 0.2:
            amounts[3] = self.rng.integers(0, 2, 2)
        shape = tuple(int(n) for n in np.array([1, h, w, c]) + amounts.sum(axis=1))
        paddings = self.b.tensor(data=amounts)
        y = self.activation(shape, scale, zero_point)
        self.b.operator("PAD", [x, paddings], [y])

    def reshape(self) -> None:
        x, shape, scale, zero_point = self.made[-1]
        count = int(np.prod(shape))
        options = [(1, count), (1, 1, 1, count), shape, (1, count, 1, 1)]
        new = options[int(self.rng.integers(len(options)))]
        inputs = [x, self.b.tensor(data=np.array(new, np.int32))]
        y = self.activation(new, scale, zero_point)
        self.b.operator("RESHAPE", inputs, [y], new_shape=list(new))

    def unary(self) -> None:
        x, shape, scale, zero_point = self.made[-1]
        name = str(self.rng.choice(["LOGISTIC", "SOFTMAX", "QUANTIZE", "IDENTITY", "FLOAT"]))
        if name == "IDENTITY":
            self.b.operator("QUANTIZE", [x], [self.activation(shape, scale, zero_point)])
        elif name == "FLOAT":
            real = self.b.tensor(shape, "float32")
            self.b.operator("DEQUANTIZE", [x], [real])
            self.b.operator("QUANTIZE", [real], [self.activation(shape)])
        elif name == "QUANTIZE":
            self.b.operator("QUANTIZE", [x], [self.activation(shape)])
        else:
            self.b.operator(name, [x], [self.activation(shape, 1 / 256, -128)])

    def binary(self) -> None:
        x, shape, _, _ = self.made[-1]
        same = [t for t, s, _, _ in self.made if s == shape]
        other = same[int(self.rng.integers(len(same)))]
        name = str(self.rng.choice(["ADD", "MUL"]))
        self.b.operator(name, [x, other], [self.activation(shape)], activation=self.pick_activation())

    def constant(self) -> None:
        """An ADD of a constant that a QUANTIZE makes: something to fold."""
        x, shape, _, _ = self.made[-1]
        values = self.rng.integers(-128, 128, shape).astype(np.int8)
        raw = self.b.tensor(data=values, scale=0.05, zero_point=3)
        requantized = self.b.tensor(shape, scale=0.1, zero_point=-7)
        self.b.operator("QUANTIZE", [raw], [requantized])
        self.b.operator("ADD", [x, requantized], [self.activation(shape)], activation=self.pick_activation())
