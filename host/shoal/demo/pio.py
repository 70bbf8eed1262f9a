"""Before a build of the repository's own platformio.ini: generates the demo's project for the environment's board and
lets PlatformIO build that. PlatformIO runs this as an extra script, with its own Python."""

import sys
from pathlib import Path

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
root = Path(env.subst("$PROJECT_DIR"))
board = env.GetProjectOption("custom_shoal_board", None) or env.GetProjectOption("board")
folder = root / ".pio" / "demo" / board
model = root / "host" / "shoal" / "demo" / "digits.tflite"
sys.path.insert(0, str(root / "host"))

try:
    from shoal import boards
    from shoal.errors import ShoalError
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify
    from shoal.plan.planner import plan
    from shoal.plan.steps import Options
    from shoal.render.project import write

    write(plan(simplify(read(model)), boards.load(board), Options(name="digits")), model.read_bytes(), folder)
except ImportError as error:
    sys.stderr.write(f"Error: PlatformIO's Python cannot import {error.name}: {sys.executable} -m pip install {root}\n")
    env.Exit(1)
except ShoalError as error:
    sys.stderr.write(f"Error: {error}\n")
    env.Exit(1)

env.Replace(PROJECT_SRC_DIR=str(folder))
