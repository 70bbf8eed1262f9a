"""A node that takes and gives arrays, with what it says of its origin checked against the folder it was built from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.bench.bench import SOURCES
from shoal.link.node import Answer, Node
from shoal.render.manifest import array_of
from shoal.tensors import Array

if TYPE_CHECKING:
    from shoal.build.builder import Built


@dataclass(frozen=True)
class Reply:
    """Outputs in the model's order, shape and dtype, and the answer that carried them."""

    outputs: list[Array]
    answer: Answer


@dataclass(frozen=True)
class Session:
    """An open node of a generated folder. `origin`: the members that every result starts with."""

    node: Node
    manifest: dict[str, Any]
    built: Built
    origin: dict[str, Any]

    def run(self, inputs: Sequence[Array]) -> Reply:
        """One inference on arrays of the inputs' sizes and dtypes."""
        answer = self.node.run([i.tobytes() for i in inputs])
        arrays = [
            array_of(data, described) for data, described in zip(answer.outputs, self.manifest["outputs"], strict=True)
        ]
        return Reply(arrays, answer)

    def load(self, inputs: Sequence[Array]) -> None:
        """Sends the inputs and runs nothing."""
        self.node.load([i.tobytes() for i in inputs])

    def read(self, described: Mapping[str, Any]) -> Array:
        """A tensor of the manifest, from where it lies in the arena now; or an output as it has left in rows."""
        if described["offset"] is None:
            index = [t["tensor"] for t in self.manifest["outputs"]].index(described["tensor"])
            return array_of(self.node.drained(index), described)
        return array_of(self.node.read_arena(described["offset"], described["bytes"]), described)


@contextmanager
def open_session(directory: Path, manifest: dict[str, Any], spec: str) -> Iterator[Session]:
    """Builds the folder's firmware for the node if need be, opens the node and closes it again. Raises what building
    and opening raise."""
    from shoal.build.builder import build
    from shoal.link.connect import open_node

    kind = spec.partition(":")[0]
    built = build(directory, "host" if kind == "host" else None)
    origin = {
        "board": manifest["board"],
        "model": manifest["name"],
        "model_sha256": manifest["model"]["sha256"],
        "firmware_sha256": built.firmware_sha256,
        "build_id": built.build_id,
        "node": spec,
        "source": SOURCES[kind],
    }
    with open_node(directory, spec) as node:
        yield Session(node, manifest, built, origin)
