"""Builds a generated folder for one board: firmware, its image, and the two programs whose difference is the model's
size. SCons runs this inside `pio run`."""

import json
import os
import shlex
import sys
from pathlib import Path

from SCons.Script import AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
sys.path.insert(0, env.PioPlatform().get_dir())

import facts  # noqa: E402 - lies in the platform's folder

board = env.BoardConfig()
own = board.get("shoal")
prefix = own["toolchain"]
native = own["hal"] == "host"
machine = own.get("machine_flags", [])
project = Path(env.subst("$PROJECT_SRC_DIR"))
own_flags = shlex.split(env.GetProjectOption("custom_model_flags", "-O3"))

env.Replace(
    AR=f"{prefix}gcc-ar",
    AS=f"{prefix}gcc",
    CC=f"{prefix}gcc",
    CXX=f"{prefix}g++",
    LINK=f"{prefix}gcc",
    OBJCOPY=f"{prefix}objcopy",
    RANLIB=f"{prefix}gcc-ranlib",
    SIZETOOL=f"{prefix}size",
    ARFLAGS=["rc"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SIZEPROGREGEXP=r"^(?:\.header|\.vectors|\.note\.gnu\.build-id|\.text\S*|\.rodata\S*|\.ARM\.\S+|\.data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.stack|\.handler_stack|\.data|\.bss|\.noinit|\.arena)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
)
# frames and calls of every function, beside its object: the bound of the stack is made of them
figures = [] if native else ["-fcallgraph-info=su"]
env.Append(
    ASFLAGS=machine,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CCFLAGS=[
        *machine,
        *facts.HARNESS_FLAGS,
        *facts.WARNINGS,
        *figures,
        "-g",
        "-ffunction-sections",
        "-fdata-sections",
        '"-ffile-prefix-map=$PROJECT_DIR=."',
    ],
    CFLAGS=["-std=c99"],
    CPPDEFINES=facts.definitions(env, board.id, own),
    CPPPATH=[str(project / folder) for folder in facts.include_folders(own["hal"])],
    LINKFLAGS=[
        *machine,
        *own.get("link_flags", []),
        "-Wl,--gc-sections",
        "-Wl,--build-id=sha1",
        "-Wl,-Map,${TARGET.base}.map",
    ],
    LIBS=["m"],
    BUILDERS={
        "Image": Builder(
            action=env.VerboseAction("$OBJCOPY -O binary -R .store $SOURCE $TARGET", "Building $TARGET"), suffix=".bin"
        ),
        # constants that are linked to another memory than flash, far from it
        "Store": Builder(
            action=env.VerboseAction("$OBJCOPY -O binary -j .store $SOURCE $TARGET", "Building $TARGET"), suffix=".bin"
        ),
    },
)
if not native:
    env.Append(LINKFLAGS=["-nostartfiles"])
    # relative, as PlatformIO quotes no spaces here
    env.Replace(LDSCRIPT_PATH=os.path.relpath(project / "firmware" / "link.ld", env.subst("$PROJECT_DIR")))
if not env.GetProjectOption("build_src_filter", None):
    env.Replace(SRC_FILTER=facts.source_filter(own["hal"]))


tick = facts.tick(facts.is_node(env))


def model_object(env, node):
    """Compiles what lies under model/ with the model's own flags."""
    if not facts.is_within(project / "model", node):
        return node
    return env.Object(node, CCFLAGS=facts.model_flags(env, own_flags), CPPDEFINES=[*env["CPPDEFINES"], tick])


env.AddBuildMiddleware(model_object)
elf = env.BuildProgram()
images = [] if native else [env.Image("$BUILD_DIR/${PROGNAME}", elf)]
stores = [] if native or not list((project / "model").glob("*_store.c")) else [env.Store("$BUILD_DIR/store", elf)]
model = [node for node in env["PIOBUILDFILES"] if "/src/model/" in str(node)]


def size_program(name):
    """A program of one small main and what it needs of the model: nothing else, no start-up code, no ticks."""
    source = project / "firmware" / f"{name}.c"
    if not source.exists():
        return []
    main = env.Object(f"$BUILD_DIR/{name}.o", str(source))
    alone = [] if native else ["-Wl,--entry=main"]
    return env.Program(
        f"$BUILD_DIR/{name}", [main, *model], LINKFLAGS=[*env["LINKFLAGS"], *alone, f"-Wl,--defsym={tick[1]}=0"]
    )


flags = [flag for flag in [*env["CFLAGS"], *facts.model_flags(env, own_flags)] if "$PROJECT" not in flag]
Path(env.subst("$BUILD_DIR"), "flags.json").write_text(json.dumps(flags))

sizes = [size_program(name) for name in ("size_with", "size_without")]
everything = [elf, images, stores, sizes]
for image in [*images, *stores]:
    env.Depends(image, "checkprogsize")
env.AddPlatformTarget(
    "size",
    elf,
    env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE"),
    "Program Size",
    "Calculate program size",
)
AlwaysBuild(env.Alias("buildprog", everything))

flasher = own.get("flasher") or {}
protocol = env.subst("$UPLOAD_PROTOCOL") or flasher.get("kind", "none")
settings = flasher.get("settings", {})
env.Replace(UPLOAD_PROTOCOL=protocol)
if protocol == "openocd":
    # which probe, where several are plugged in: the upload port is its serial number
    probe = '-c "adapter serial $UPLOAD_PORT" ' if env.subst("$UPLOAD_PORT") else ""
    interface, target = f"-f interface/{settings['interface']}.cfg ", f"-f target/{settings['target']}.cfg "
    # a board's script knows its external flash, too; both are in the ELF file
    scripts = f"-f board/{settings['board']}.cfg {probe}" if "board" in settings else f"{interface}{probe}{target}"
    env.Replace(
        UPLOADER="openocd",
        UPLOADCMD=f'$UPLOADER {scripts}$UPLOADERFLAGS -c "program {{$SOURCE}} verify reset exit"',
    )
    upload = elf, [env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")]
elif protocol == "esptool":
    env.Replace(
        UPLOADER='"$PYTHONEXE" -m esptool',
        UPLOAD_SPEED=env.subst("$UPLOAD_SPEED") or str(settings.get("baud", 115200)),
        UPLOADCMD=f'$UPLOADER --chip {settings["chip"]} --port "$UPLOAD_PORT" --baud $UPLOAD_SPEED $UPLOADERFLAGS '
        f"write-flash {settings.get('offset', 0):#x} $SOURCE",
    )
    upload = (
        images,
        [
            env.VerboseAction(env.AutodetectUploadPort, "Looking for upload port..."),
            env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE"),
        ],
    )
elif protocol == "custom":
    upload = images or elf, [env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")]
else:

    def refuse(target, source, env):
        sys.stderr.write(f"Error: no way to flash {board.id} by {protocol}\n")
        return 1

    upload = elf, [env.VerboseAction(refuse, "Looking for a flasher...")]
env.AddPlatformTarget("upload", *upload, "Upload")
Default(everything)
