"""Step by step against the reference: which one is the first to differ, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shoal.hil.session import Session
from shoal.tensors import Array

if TYPE_CHECKING:
    from shoal.oracle import Oracle


@dataclass(frozen=True)
class Difference:
    """The first value that differs. `index` is its place in the tensor's shape; `row` and `channel` are its second and
    last entries, as NHWC has them; `differing` of `values` differ in this tensor."""

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


def first_difference(session: Session, oracle: Oracle, inputs: Sequence[Array]) -> Difference | None:
    """Runs the steps one by one on the node and compares every tensor with the reference's; None where all agree."""
    oracle.run(inputs)
    session.load(inputs)
    for step in session.manifest["steps"]:
        session.node.run_steps(step["index"], step["index"] + 1)
        for described in step["outputs"]:
            found = _difference(step, described, session.read(described), oracle.tensor(described["tensor"]))
            if found is not None:
                return found
    return None


def _difference(step: Mapping[str, Any], described: Mapping[str, Any], got: Array, want: Array) -> Difference | None:
    if got.tobytes() == want.tobytes():
        return None
    want = want.reshape(got.shape)
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
        channel=index[-1] if len(index) > 1 else None,
        got=float(got[index]),
        want=float(want[index]),
        differing=int(differs.sum()),
        values=got.size,
    )
