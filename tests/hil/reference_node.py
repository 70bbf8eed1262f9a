"""A node made of the operators' references: what the checks see where no firmware runs, and one that can be broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shoal import boards
from shoal.build.builder import Built
from shoal.hil.session import Session
from shoal.link.node import Answer, Identity
from shoal.network.execute import run
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.plan.planner import plan
from shoal.plan.steps import Options
from shoal.render import manifest
from tflite_builder import ModelBuilder


def model() -> bytes:
    """conv_2d, add, softmax."""
    b = ModelBuilder()
    x = b.tensor((1, 6, 5, 2), scale=0.5, zero_point=-3)
    rng = np.random.default_rng(7)
    weights = rng.integers(-127, 128, (3, 3, 3, 2)).astype(np.int8)
    w = b.tensor(data=weights, scale=[0.02, 0.03, 0.01], zero_point=[0, 0, 0], axis=0)
    bias = b.tensor(data=np.array([5, -9, 100], np.int32), scale=[0.01, 0.015, 0.005], zero_point=[0, 0, 0])
    y = b.tensor((1, 6, 5, 3), scale=0.4, zero_point=2)
    z = b.tensor((1, 6, 5, 3), scale=0.8, zero_point=1)
    s = b.tensor((1, 6, 5, 3), scale=1 / 256, zero_point=-128)
    b.operator("CONV_2D", [x, w, bias], [y], padding="SAME")
    b.operator("ADD", [y, y], [z])
    b.operator("SOFTMAX", [z], [s])
    return b.build(inputs=[x], outputs=[s])


class ReferenceNode:
    """Runs a plan's steps on an arena of its own. `break_step`: that step's output gets one wrong value."""

    def __init__(self, planned, described, *, break_step=None, **said):
        self.plan, self.manifest, self.break_step = planned, described, break_step
        self.arena = bytearray(planned.arena_bytes)
        self.identity = replace(
            Identity(
                protocol=1,
                build_id="ab" * 20,
                model_sha256=described["model"]["sha256"],
                model_name=described["name"],
                board=described["board"],
                tool_version=described["tool_version"],
                clock_hz=168_000_000,
                counts="none",
                arena_bytes=planned.arena_bytes,
                static_bytes=1000,
                stack_size=4096,
                steps=len(planned.steps),
                input_bytes=tuple(t["bytes"] for t in described["inputs"]),
                output_bytes=tuple(t["bytes"] for t in described["outputs"]),
            ),
            **said,
        )

    def identify(self):
        return self.identity

    def load(self, inputs):
        for described, data in zip(self.manifest["inputs"], inputs, strict=True):
            self.arena[described["offset"] : described["offset"] + described["bytes"]] = data

    def run_steps(self, first, last):
        tensors = self.plan.graph.tensors
        for step in self.plan.steps[first:last]:
            for index in step.operators:
                operator = self.plan.graph.operators[index]
                values = {t: self._read(t) for t in operator.inputs if t is not None and tensors[t].data is None}
                results = run(operator, tensors, values)
                for tensor, value in zip(operator.outputs, results, strict=True):
                    value = value.copy()
                    if step.index == self.break_step:
                        value[0, 2, 1, 1] ^= 1
                    place = self.plan.placement(tensor)
                    self.arena[place.offset : place.offset + place.bytes] = value.tobytes()
        return Answer((), 0, 200, 600, 0)

    def run(self, inputs):
        self.load(inputs)
        answer = self.run_steps(0, len(self.plan.steps))
        outputs = [bytes(self.read_arena(t["offset"], t["bytes"])) for t in self.manifest["outputs"]]
        return replace(answer, outputs=tuple(outputs))

    def read_arena(self, offset, size):
        return bytes(self.arena[offset : offset + size])

    def reset(self):
        self.arena[:] = bytes(len(self.arena))

    def _read(self, tensor):
        place, described = self.plan.placement(tensor), self.plan.graph.tensors[tensor]
        data = self.read_arena(place.offset, place.bytes)
        return np.frombuffer(data, described.dtype).reshape(described.shape)


def session(**broken) -> Session:
    """An open session with a reference node of `model()` for the emulated STM32F405."""
    source = model()
    graph = simplify(parse(source, "small", "small.tflite"))
    planned = plan(graph, boards.load("netduinoplus2"), Options())
    described = manifest.describe(planned, "small.tflite", len(source))
    node = ReferenceNode(planned, described, **broken)
    built = Built(
        elf=None,
        image=None,
        build_id="ab" * 20,
        firmware_sha256="cd" * 32,
        compiler="none",
        flags=[],
        code_bytes=0,
        weights_bytes=planned.weights_bytes,
        flash_bytes=0,
        arena_bytes=planned.arena_bytes,
        static_bytes=1000,
    )
    origin = {"board": "netduinoplus2", "model": "small", "source": "emulated", "node": "emulator"}
    return Session(node, described, built, origin)
