"""How fast the emulators run, counting and not: millions of instructions a second, of one model's inference.

python tests/bench/emulators.py MODEL.tflite [BOARD …]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from shoal import boards
from shoal.bench.inputs import generator
from shoal.build.cache import project
from shoal.link.connect import open_node
from shoal.link.emulators.node import EmulatedNode
from shoal.plan.steps import Options
from shoal.render.manifest import load

SECONDS = 3.0


def main(model: Path, names: list[str]) -> None:
    print("| board | MIPS, not counting | MIPS, counting |\n|---|--:|--:|")
    for name in names:
        directory = project(model, boards.load(name), Options())
        inputs = [i.tobytes() for i in generator(load(directory)["inputs"])]
        rates = []
        instructions = 0
        for count in (True, False):
            with open_node(directory, "emulator", count=count) as node:
                assert isinstance(node, EmulatedNode)
                node.run(inputs)
                if count:
                    instructions = node.regions()[-1].instructions
                node.load(inputs)
                steps = node.identify().steps
                begun, runs = time.perf_counter(), 0
                while time.perf_counter() - begun < SECONDS:
                    node.run_steps(0, steps)
                    runs += 1
                rates.append(runs * instructions / (time.perf_counter() - begun) / 1e6)
        print(f"| {name} | {rates[1]:.0f} | {rates[0]:.0f} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["netduinoplus2", "mps2_an386", "mps2_an500", "esp32c3"])
