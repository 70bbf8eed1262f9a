"""PlatformIO's view of the in-tree platform: board files as they are, compilers of the system, SCons of PyPI."""

import importlib.util
import shutil
from pathlib import Path

from platformio.exception import UserSideException
from platformio.package.commands import install
from platformio.platform import _run
from platformio.platform.base import PlatformBase

#: what to install for a toolchain that is not there, by its prefix (Debian's names)
PACKAGES = {
    "": "gcc",
    "arm-none-eabi-": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "riscv64-unknown-elf-": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
}


class ShoalPlatform(PlatformBase):
    def is_embedded(self):
        return True

    def get_boards(self, id_=None):
        boards = super().get_boards(id_)
        for board in boards.values() if id_ is None else [boards]:
            _complete(board)
        return boards

    def configure_default_packages(self, options, targets):
        prefix = self.board_config(options["board"]).get("shoal.toolchain")
        if not shutil.which(f"{prefix}gcc"):
            raise UserSideException(f"{prefix}gcc is missing: sudo apt-get install {PACKAGES.get(prefix, prefix)}")
        return super().configure_default_packages(options, targets)


def _complete(board):
    """Fills in what PlatformIO reads of a board and what follows from its section `shoal`."""
    own = board.get("shoal", None)
    if own is None:
        raise UserSideException(f"{board.manifest_path} has no section `shoal`")
    regions = own["regions"]
    facts = {
        "build.mcu": own["core"]["name"],
        "build.f_cpu": f"{own['clock_hz']}L",
        "upload.maximum_size": next(r["bytes"] for r in regions if r["kind"] == "flash"),
        "upload.maximum_ram_size": next(r["bytes"] for r in regions if r.get("arena")),
    }
    for path, value in facts.items():
        if path not in board:
            board.update(path, value)


def _use_installed_scons():
    """Lets PyPI's SCons stand in for PlatformIO's tool-scons where that is not installed: its registry is not always
    there, and without it a build would hang, then fail. Both names are private, so PlatformIO's version is pinned."""
    if not importlib.util.find_spec("SCons"):
        return
    original = _run.get_core_package_dir

    def find(name, spec=None, auto_install=True):
        if name == "tool-scons":
            return original(name, spec, auto_install=False) or str(Path(__file__).resolve().parent / "scons")
        return original(name, spec, auto_install)

    _run.get_core_package_dir = install.get_core_package_dir = find


_use_installed_scons()
