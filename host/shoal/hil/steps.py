"""Step by step against the reference: which one is the first to differ, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shoal.bench.reference import Reference
from shoal.hil.session import Session
from shoal.tensors import Array


@dataclass(frozen=True)
class Difference:
    """The first value that differs. `index` is its place in the node's tensor; `row` and `channel` are its second and
    last entries, as NHWC has them, the channel as the model file counts; `differing` of `values` differ."""

    step: int
    kind: str
    function: str
    tensor: int
    name: str
    index: tuple[int, ...]
    row: int | None
    channel: int | None
    got: float
    want: float
    differing: int
    values: int

    def __str__(self) -> str:
        where = f"step {self.step} {self.kind} ({self.function}), tensor {self.name}"
        place = f"row {self.row}, channel {self.channel}" if self.row is not None else f"place {list(self.index)}"
        return f"{where}: {place} is {self.got:g}, not {self.want:g}; {self.differing} of {self.values} values differ"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "index": list(self.index)}


def first_difference(session: Session, oracle: Reference, inputs: Sequence[Array]) -> Difference | None:
    """Runs the steps one by one on the node and compares every tensor that is whole after one, and outputs that left in
    rows, with the reference's; None where all agree."""
    oracle.run(inputs)
    session.load(inputs)
    for step in session.manifest["steps"]:
        session.node.run_steps(step["index"], step["index"] + 1)
        for described in step["outputs"]:
            got = session.read(described)
            found = _difference(step, described, got, _expected(described, got, oracle.tensor(described["tensor"])))
            if found is not None:
                return found
    return None


def _expected(described: Mapping[str, Any], got: Array, want: Array) -> Array:
    """The reference's tensor in the shape of the node's: channels that a rewrite removed are left out; one that only
    fills up holds what it likes, so there the node's own value is expected."""
    channels = described["channels"]
    if channels is None:
        return want.reshape(got.shape)
    left = np.array(channels)
    kept = want.reshape(-1, want.shape[-1])[:, left].reshape(got.shape)
    return np.where(left >= 0, kept, got)


def _difference(step: Mapping[str, Any], described: Mapping[str, Any], got: Array, want: Array) -> Difference | None:
    if got.tobytes() == want.tobytes():
        return None
    differs = got != want
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(differs)), got.shape))
    return Difference(
        step=step["index"],
        kind=step["kind"],
        function=step["function"],
        tensor=described["tensor"],
        name=described["name"],
        index=index,
        row=index[1] if len(index) == 4 else None,
        channel=_channel(described, index),
        got=float(got[index]),
        want=float(want[index]),
        differing=int(differs.sum()),
        values=got.size,
    )


def _channel(described: Mapping[str, Any], index: tuple[int, ...]) -> int | None:
    if len(index) < 2:
        return None
    channels = described["channels"]
    return index[-1] if channels is None else int(channels[index[-1]])
