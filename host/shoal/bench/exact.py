"""Whether a node's bytes are the reference's: outputs, and the tensor in front of a final softmax or logistic, whose
saturation hides much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shoal.bench.reference import Reference
from shoal.link.node import Node
from shoal.operators.floats import EXP_TOLERANCE
from shoal.render.manifest import own_steps
from shoal.tensors import Array

#: operators whose outputs hide differences of their inputs
_SATURATING = ("softmax", "logistic")

#: operators that only carry on what a saturating one made
_CARRYING = ("dequantize", "quantize", "reshape", "drain")


def judge(
    node: Node, directory: Path, manifest: Mapping[str, Any], inputs: Sequence[Array], outputs: Sequence[bytes]
) -> tuple[bool | None, str | None]:
    """(exact, why it is not known, what differs, or how near a float32 softmax or logistic is) for `outputs` that the
    node gave for `inputs`. Runs the node once more, up to the tensor in front of a final softmax or logistic."""
    why = unknown(manifest)
    if why is not None:
        return None, why
    reference = Reference(directory / manifest["model"]["file"], manifest["slices"])
    hidden = in_front_of_saturation(manifest)
    near = "the reference is our own: TensorFlow Lite Micro has no hybrid operators" if reference.own else None
    for described, got, want in zip(manifest["outputs"], outputs, reference.run(inputs), strict=True):
        if got == want.tobytes():
            continue
        if hidden is None or not is_near(got, want):
            return False, f"output {described['name']} differs"
        near = nearness(described["name"])
    if hidden is not None:
        step, described = hidden
        node.load([i.tobytes() for i in inputs])
        node.run_steps(0, step + 1)
        got = node.read_arena(described["offset"], described["bytes"])
        if got != reference.tensor(described["tensor"]).tobytes():
            return False, f"tensor {described['name']} in front of the final operator differs"
    return True, near


def nearness(name: str) -> str:
    """Of an output that `is_near`, in words."""
    return f"output {name}, made of exponentials, is within {EXP_TOLERANCE:g} of the reference's"


def is_near(got: bytes, want: Array) -> bool:
    """Whether float32 values differ by no more than two ways of making an exponential do."""
    if want.dtype != np.float32 or len(got) != want.nbytes:
        return False
    found = np.frombuffer(got, "<f4").reshape(want.shape)
    return bool(np.allclose(found, want, rtol=EXP_TOLERANCE, atol=np.finfo(np.float32).tiny))


def unknown(manifest: Mapping[str, Any]) -> str | None:
    """Why a folder's answers cannot be compared with the reference's by themselves; None where they can."""
    from shoal import oracle

    if manifest.get("chunk"):
        return "a chunk has no reference of its own; its shoal has"
    return oracle.reason()


def in_front_of_saturation(manifest: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]] | None:
    """The step that makes the input of a final softmax or logistic, and that tensor; None where the model does not end
    in one, or the tensor is the model's own input, or never whole."""
    steps = own_steps(manifest)
    last = next((i for i in reversed(range(len(steps))) if steps[i]["kind"] not in _CARRYING), None)
    if not last or steps[last]["kind"] not in _SATURATING:
        return None
    before = steps[last - 1]
    return (before["index"], before["outputs"][-1]) if before["outputs"] else None
