"""What a machine has and lacks for shoal: programs, Python packages, permissions, the registry."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from shoal import resources
from shoal.build import tools

PYTHON = (3, 11)

#: groups whose members may open serial ports, by what distributions use
_SERIAL_GROUPS = ("dialout", "uucp")

_UDEV = (Path("/etc/udev/rules.d"), Path("/lib/udev/rules.d"), Path("/usr/lib/udev/rules.d"))

#: emulators and checkers besides the compilers
_PROGRAMS = (
    tools.QEMU,
    tools.Tool("qemu-system-riscv32", "checking the ESP32-C3 emulator's counts (tests only)", "qemu-system-misc"),
    tools.OPENOCD,
    tools.Tool("xtensa-lx106-elf-gcc", "checking the ESP32 and ESP32-S3 C (tests only)", "gcc-xtensa-lx106"),
)
_OPTIONAL = ("tests only", "flashing")


@dataclass(frozen=True)
class Check:
    """`needed`: offline use is not whole without it; `mend`: the command that brings it, empty where it is there."""

    name: str
    ok: bool
    needed: bool
    purpose: str
    found: str
    mend: str


def checks(registry: bool = True) -> list[Check]:
    """All checks in the order of a user's road; `registry`: look for PlatformIO's, too (two seconds at most)."""
    found = [_python(), *_packages(), *_programs(), _scons(), _serial(), _probes()]
    return [*found, _registry()] if registry else found


def _python() -> Check:
    wanted = ".".join(map(str, PYTHON))
    ok = sys.version_info >= PYTHON
    mend = "" if ok else tools.install_command([f"python{wanted}", f"python{wanted}-venv"])
    return Check("python", ok, True, "shoal itself", sys.version.split()[0], mend)


def _packages() -> Iterator[Check]:
    """One check of all packages that pyproject.toml asks for, and one of the oracle, which has few wheels."""
    missing, count = [], 0
    for name, pin in _requirements():
        if name == "tflite-micro":
            continue
        count += 1
        have = _installed(name)
        if have is None or (pin and have != pin):
            missing.append(f"{name}=={pin}" if pin else name)
    pip = f"{sys.executable} -m pip install"
    found = f"{count} packages" if not missing else f"missing or of another version: {', '.join(missing)}"
    mend = f"{pip} {' '.join(missing)}" if missing else ""
    yield Check("python packages", not missing, True, "every command", found, mend)
    from shoal.oracle import reason

    why = reason()
    oracle = _installed("tflite-micro") or ""
    mend = "" if why is None or sys.platform != "linux" else f"{pip} tflite-micro"
    yield Check("tflite-micro", why is None, False, "comparing with the reference", why or oracle, mend)


def _requirements() -> Iterator[tuple[str, str]]:
    """(name, exact version or "") of what shoal needs without extras."""
    project = resources.root() / "pyproject.toml"
    if project.is_file():
        lines: list[str] = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        lines = [line for line in metadata.requires("shoal") or [] if "extra ==" not in line]
    for line in lines:
        match = re.match(r"([\w.-]+)(?:==([\w.]+))?", line)
        if match:
            yield match[1], match[2] or ""


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _programs() -> Iterator[Check]:
    for tool in (*tools.COMPILERS.values(), *_PROGRAMS):
        path = tools.find(tool)
        needed = not any(word in tool.purpose for word in _OPTIONAL)
        mend = "" if path else tools.install_command(tool.packages.split())
        yield Check(tool.program, path is not None, needed, tool.purpose, str(path or "missing"), mend)


def _scons() -> Check:
    """PlatformIO builds with its own copy of SCons, or with PyPI's of the very same version."""
    found = _installed("scons")
    ok = (tools.core_dir() / "packages" / "tool-scons" / "package.json").is_file() or found is not None
    mend = "" if ok else f"{sys.executable} -m pip install scons==4.11.1"
    return Check("platformio offline", ok, True, "building without a network", f"SCons {found or 'missing'}", mend)


def _serial() -> Check:
    """Whether this user may open serial ports, as boards bring."""
    purpose = "real boards on a serial port"
    if not sys.platform.startswith("linux") or os.geteuid() == 0:
        return Check("serial ports", True, False, purpose, "permitted", "")
    import grp

    for name in _SERIAL_GROUPS:
        try:
            group = grp.getgrnam(name)
        except KeyError:
            continue
        if group.gr_gid in os.getgroups():
            return Check("serial ports", True, False, purpose, f"permitted by group {name}", "")
        mend = f"sudo usermod -aG {name} $USER, then log in again"
        return Check("serial ports", False, False, purpose, f"not in group {name}", mend)
    closed = [port for port in sorted(Path("/dev").glob("tty[AU][CS][MB]*")) if not os.access(port, os.R_OK | os.W_OK)]
    found = f"no access to {closed[0]}" if closed else "permitted"
    mend = f"sudo setfacl -m u:$USER:rw {closed[0]}" if closed else ""
    return Check("serial ports", not closed, False, purpose, found, mend)


def _probes() -> Check:
    """Whether this user may open debug probes: Linux wants a rule for it, which OpenOCD's package brings."""
    purpose = "flashing STM32 boards"
    if not sys.platform.startswith("linux") or os.geteuid() == 0:
        return Check("debug probes", True, False, purpose, "permitted", "")
    rules = [rule for folder in _UDEV for rule in folder.glob("*.rules") if re.search("openocd|stlink", rule.name)]
    mend = "" if rules else tools.install_command(["openocd"])
    found = f"permitted by {rules[0]}" if rules else "no udev rule for them"
    return Check("debug probes", bool(rules), False, purpose, found, mend)


def _registry() -> Check:
    ok = tools.registry_answers()
    mend = "" if ok else "connect to the network; every other board builds without"
    found = "answers" if ok else "does not answer"
    return Check("platformio registry", ok, False, "the first build for esp32dev and esp32s3", found, mend)
