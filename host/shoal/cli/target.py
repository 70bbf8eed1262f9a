"""What a command works on: a generated folder, or a model with a board, for which the cache holds a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal.boards.board import Board
from shoal.cli.options import options_of
from shoal.errors import BadInput, NodeError


@dataclass(frozen=True)
class Target:
    """A generated folder and what it says of itself. `manifest` is manifest.json, checked."""

    directory: Path
    manifest: dict[str, Any]
    board: Board

    @property
    def model(self) -> Path | None:
        """The model file it was made of, where it still lies there unchanged."""
        from hashlib import sha256

        path = Path(self.manifest["model"]["file"])
        candidates = [path, self.directory / path, self.directory / path.name]
        for candidate in candidates:
            if candidate.is_file() and sha256(candidate.read_bytes()).hexdigest() == self.manifest["model"]["sha256"]:
                return candidate
        return None


def open_target(target: Path, board: str | None, given: dict[str, Any]) -> Target:
    """The folder `target`, or the cache's folder for the model file `target` on `board` with the plan options `given`
    (`plan_options`), generated if it is not there yet. Raises BadInput where a DIR contradicts board or options, or a
    MODEL has no board; what reading and planning raise."""
    return _folder(target, board, given) if target.is_dir() else _model(target, board, given)


def _folder(directory: Path, board: str | None, given: dict[str, Any]) -> Target:
    from shoal import boards
    from shoal.render.manifest import load

    manifest = load(directory)
    made = manifest["options"]
    for option, value in given.items():
        if made.get(option) != value:
            raise BadInput(
                f"made with {option} {made.get(option)}, asked for {value}",
                where=str(directory),
                advice=f"leave --{option.replace('_', '-')} out, or generate another folder with it",
            )
    own = boards.load(str(directory / "boards" / f"{manifest['board']}.json"))
    if board is not None:
        asked = boards.load(board)
        if (asked.id, asked.sha256) != (own.id, own.sha256):
            raise BadInput(
                f"made for board {own.id}" + (", whose file differs" if asked.id == own.id else f", not {asked.id}"),
                where=str(directory),
                advice="leave --board out, or generate another folder for it",
            )
    return Target(directory, manifest, own)


def _model(model: Path, board: str | None, given: dict[str, Any]) -> Target:
    if board is None:
        raise BadInput(
            "a model file needs a board", where=str(model), advice="add --board BOARD; `shoal boards` lists them"
        )
    from shoal import boards
    from shoal.build.cache import project
    from shoal.cli.console import planning
    from shoal.render.manifest import load

    asked = boards.load(board)
    with planning() as progress:
        directory = project(model, asked, options_of(given), progress)
    return Target(directory, load(directory), asked)


def node_spec(nodes: Sequence[str], board: Board) -> str:
    """The node to use: the one named, else the board's emulator, else the host for the host board. Raises NodeError
    where there is none, BadInput where several or a shoal's are named."""
    if len(nodes) > 1 or (nodes and "=" in nodes[0] and not nodes[0].startswith("serial:")):
        raise BadInput(
            "one board has one node, without a name", where=f"--node {nodes[-1]}", advice="say --node NODE once"
        )
    node = nodes[0] if nodes else None
    if node is not None:
        if node == "emulator" and board.emulator is None:
            raise NodeError("has no emulator", where=f"board {board.id}", advice=_other_nodes(board))
        return node
    if board.emulator is not None:
        return "emulator"
    if board.hal == "host":
        return "host"
    raise NodeError("has no emulator and no port was named", where=f"board {board.id}", advice=_other_nodes(board))


def node_specs(given: Sequence[str], boards: Mapping[str, Board]) -> dict[str, str]:
    """For each name of `boards` its node: NODE is for all, NAME=NODE for one; by default each board's emulator. Raises
    BadInput for a name that is none of these, else what `node_spec` raises."""
    wanted: dict[str, str] = {}
    every: list[str] = []
    for text in given:
        name, equals, spec = text.partition("=")
        if not equals or text.startswith("serial:"):
            every.append(text)
        elif name not in boards:
            raise BadInput(
                f"there is no node {name!r}", where=f"--node {text}", advice=f"name one of {', '.join(boards)}"
            )
        else:
            wanted[name] = spec
    return {n: node_spec([wanted[n]] if n in wanted else every[-1:], board) for n, board in boards.items()}


def _other_nodes(board: Board) -> str:
    return "--node host runs the same plan here" + ("" if board.hal == "host" else ", --node serial:PORT a real board")
