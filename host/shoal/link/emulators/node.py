"""An emulated board as a node that can also say how many instructions each run took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shoal.link.client import Expected, StreamNode
from shoal.link.emulators.process import Emulator
from shoal.link.emulators.regions import Region


class EmulatedNode(StreamNode):
    """A node behind an emulator's first serial port."""

    def __init__(self, emulator: Emulator, expected: Expected) -> None:
        super().__init__(emulator, name=emulator.name, expected=expected)
        self._emulator = emulator

    def regions(self) -> list[Region]:
        """The calls of the model counted since the last call of this; none where it was opened without counting."""
        return self._emulator.regions()


#: the function of the firmware that looks at the link once, and serves what has come
SERVING = ("server_step",)


def counted(manifest: Mapping[str, Any]) -> list[str]:
    """The functions whose calls are counted, of a generated folder's model."""
    name = manifest["name"]
    streams = any(t["rows"] for t in (*manifest["inputs"], *manifest["outputs"]))
    fetches = manifest["store"] is not None and not manifest["store"]["mapped"]
    run = "run_with" if fetches else "run_rows" if streams else "run"
    return [f"{name}_{run}", f"{name}_run_steps"]
