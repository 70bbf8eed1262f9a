"""From a folder and --node to a node."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from shoal import boards
from shoal.errors import BadInput, NodeError
from shoal.link import connect


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder generated for a board without an emulator, already built."""
    board = boards.load("nucleo_f446re")
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "nucleo_f446re.json").write_bytes(board.path.read_bytes())
    manifest = {"board": "nucleo_f446re", "model": {"sha256": "00" * 32}, "store": None}
    monkeypatch.setattr("shoal.render.manifest.load", lambda directory: manifest)
    built = SimpleNamespace(build_id="00" * 20, elf=Path("/bin/true"))
    monkeypatch.setattr("shoal.build.builder.build", lambda directory, env=None: built)
    return tmp_path


@pytest.mark.parametrize("spec", ["", "serial", "serial:", "emulator:x", "telnet:1", "host:2"])
def test_other_words_are_refused(folder: Path, spec: str) -> None:
    with pytest.raises(BadInput, match="name one of emulator, host, serial:PORT"):
        connect.open_node(folder, spec)


def test_a_board_without_an_emulator_is_said_to_have_none(folder: Path) -> None:
    with pytest.raises(NodeError, match="nucleo_f446re: this board has no emulator"):
        connect.open_node(folder, "emulator")


def test_a_port_that_is_not_there(folder: Path) -> None:
    with pytest.raises(NodeError, match="/dev/nonexistent: no such port"):
        connect.open_node(folder, "serial:/dev/nonexistent")


def test_a_host_process_that_is_no_firmware(folder: Path) -> None:
    with pytest.raises(NodeError, match="ended with exit code 0"), connect.open_node(folder, "host"):
        pass
