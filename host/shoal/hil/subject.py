"""What the checks are about: an open node, the folder it was built from, inputs, and the judge of its answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.bench.exact import unknown
from shoal.bench.reference import Reference
from shoal.boards.board import Board
from shoal.hil.session import Session, open_session
from shoal.tensors import Array

if TYPE_CHECKING:
    from shoal.build.builder import Built


@dataclass(frozen=True)
class Subject:
    """`inputs`: one tuple of arrays per inference, in the model's own shapes and dtypes. `oracle` is None where there
    is none on this machine, for the reason `why_no_oracle`."""

    session: Session
    board: Board
    built: Built
    inputs: Sequence[tuple[Array, ...]]
    oracle: Reference | None
    why_no_oracle: str | None

    @property
    def manifest(self) -> dict[str, Any]:
        return self.session.manifest


@contextmanager
def open_subject(
    directory: Path, manifest: dict[str, Any], board: Board, spec: str, inputs: Sequence[tuple[Array, ...]]
) -> Iterator[Subject]:
    """Builds what is missing, opens the node and the oracle. Raises what those raise; a machine without an oracle is no
    error."""
    why = unknown(manifest)
    judge = None if why else Reference(directory / manifest["model"]["file"], manifest["slices"])
    with open_session(directory, manifest, spec) as session:
        yield Subject(session, board, session.built, inputs, judge, why)
