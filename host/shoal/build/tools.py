"""Programs that shoal calls: where they are, what they are for, and the command that installs what is missing."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shoal.errors import ToolError

#: how long a look at PlatformIO's registry may take, in seconds
REGISTRY_PATIENCE = 2.0


@dataclass(frozen=True)
class Tool:
    """`packages`: Debian's, that bring it; `library`: a file that its compiler must find, too (a compiler without its C
    library is no use)."""

    program: str
    purpose: str
    packages: str
    library: str | None = None


#: compilers by the prefix of their toolchain
COMPILERS = {
    "": Tool("gcc", "host builds and the emulators' counters", "gcc libc6-dev", "crt1.o"),
    "arm-none-eabi-": Tool(
        "arm-none-eabi-gcc",
        "STM32 and other Cortex-M boards",
        "gcc-arm-none-eabi libnewlib-arm-none-eabi",
        "nano.specs",
    ),
    "riscv64-unknown-elf-": Tool(
        "riscv64-unknown-elf-gcc",
        "ESP32-C3",
        "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
        "picolibc.specs",
    ),
}
QEMU = Tool("qemu-system-arm", "emulated Cortex-M boards", "qemu-system-arm")
OPENOCD = Tool("openocd", "flashing STM32 boards", "openocd")


def install_command(packages: Iterable[str]) -> str:
    """The command that installs Debian packages, for this user."""
    sudo = "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install {' '.join(packages)}"


def find(tool: Tool) -> Path | None:
    """Where the program is, or None; a compiler counts only with its C library."""
    path = shutil.which(tool.program)
    if path is None or (tool.library is not None and not _has_file(path, tool.library)):
        return None
    return Path(path)


def require(tool: Tool) -> Path:
    """Where the program is. Raises ToolError with the command that installs it."""
    path = find(tool)
    if path is None:
        what = f"{tool.program} is missing"
        if tool.library is not None and shutil.which(tool.program):
            what = f"{tool.program} has no C library: it finds no {tool.library}"
        raise ToolError(what, advice=install_command(tool.packages.split()))
    return path


@functools.cache
def _has_file(compiler: str, library: str) -> bool:
    asked = subprocess.run(
        [compiler, f"-print-file-name={library}"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return os.sep in asked.stdout.strip()


@functools.cache
def version(compiler: Path) -> str:
    """A compiler's full version, as 12.2.1."""
    asked = subprocess.run(
        [str(compiler), "-dumpfullversion"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return asked.stdout.strip()


def core_dir() -> Path:
    """PlatformIO's own folder."""
    return Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio").expanduser()


def platformio() -> tuple[list[str], dict[str, str]]:
    """The command that starts PlatformIO with this Python, and its environment: no upgrade checks, no telemetry,
    English messages, and nobody's settings of where a project's files lie. Makes PlatformIO's folder: two first calls
    at once would crash over it. Raises ToolError where PlatformIO is not installed."""
    from importlib.util import find_spec

    if find_spec("platformio") is None:
        raise ToolError("PlatformIO is missing", advice=f"{sys.executable} -m pip install platformio==6.2.0")
    try:
        core_dir().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"PlatformIO's folder cannot be made: {error.strerror}",
            where=str(core_dir()),
            advice="set PLATFORMIO_CORE_DIR to a folder that you may write",
        ) from None
    environment = {name: value for name, value in os.environ.items() if not _places_files(name)}
    environment |= {
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "LC_ALL": "C.UTF-8",
    }
    return [sys.executable, "-m", "platformio"], environment


def _places_files(name: str) -> bool:
    """Whether PlatformIO would take a variable as a setting of the project's."""
    if not name.startswith("PLATFORMIO_"):
        return False
    own = {"PLATFORMIO_CORE_DIR", "PLATFORMIO_PACKAGES_DIR", "PLATFORMIO_CACHE_DIR"}
    return name == "PLATFORMIO_DEFAULT_ENVS" or (name.endswith("_DIR") and name not in own)


def installed_platform(name: str, directory: Path) -> bool:
    """Whether a platform of the registry (`espressif32@^6`) is there already, for this project or for all."""
    stem = name.partition("@")[0]
    folders = (directory / ".pio" / "platforms", core_dir() / "platforms")
    return any((folder / stem / "platform.json").is_file() for folder in folders)


def registry_answers() -> bool:
    """Whether PlatformIO's registry can be reached, looked at for two seconds at most."""
    from threading import Thread

    answers: list[bool] = []

    def look() -> None:
        import requests
        from platformio import __registry_mirror_hosts__ as hosts

        try:
            requests.head(f"https://api.{hosts[0]}", timeout=REGISTRY_PATIENCE, allow_redirects=False)
            answers.append(True)
        except requests.RequestException:
            answers.append(False)

    # a thread, because a name that does not resolve waits longer than any timeout says
    thread = Thread(target=look, daemon=True)
    thread.start()
    thread.join(REGISTRY_PATIENCE)
    return answers == [True]
