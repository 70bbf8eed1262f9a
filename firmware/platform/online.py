"""Before a build by a registry's platform (ESP32 and ESP32-S3 with Arduino): tells the firmware of its board and gives
the model its own flags, as the in-tree platform does. PlatformIO runs this as an extra script."""

import json
import shlex
import sys
from pathlib import Path

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
project = Path(env.subst("$PROJECT_SRC_DIR"))
sys.path.insert(0, str(project / "platform"))

import facts  # noqa: E402 - lies in the platform's folder

board = env.GetProjectOption("custom_shoal_board")
own = json.loads((project / "boards" / f"{board}.json").read_text())["shoal"]
own_flags = shlex.split(env.GetProjectOption("custom_model_flags", "-O3"))

env.Append(
    CPPDEFINES=facts.definitions(env, board, own),
    CPPPATH=[str(project / folder) for folder in facts.include_folders(own["hal"])],
)


def project_object(env, node):
    """The vendor's own sources keep the vendor's flags."""
    if not facts.is_within(project, node):
        return node
    if not facts.is_within(project / "model", node):
        return env.Object(node, CCFLAGS=[*env["CCFLAGS"], *facts.WARNINGS])
    flags = [*facts.model_flags(env, own_flags), *facts.WARNINGS]
    return env.Object(node, CCFLAGS=flags, CPPDEFINES=[*env["CPPDEFINES"], facts.tick(facts.is_node(env))])


env.AddBuildMiddleware(project_object)
