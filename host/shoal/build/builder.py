"""Builds a generated folder with PlatformIO, and measures what came out."""

from __future__ import annotations

import configparser
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal import boards
from shoal.boards.board import Board
from shoal.build import elf, stack, tools
from shoal.errors import BadInput, DoesNotFit, ShoalError, ToolError
from shoal.render.platformio import HANDLER_STACK_BYTES

Report = Callable[[str], None]

#: the sections of a model's arena
_ARENA = (".bss.arena", ".arena")

#: folders of a generated folder that are results, not inputs
_RESULTS = frozenset({".pio", ".git", "__pycache__"})


@dataclass(frozen=True)
class Built:
    """One built environment. `image`: what is flashed (the ELF itself for the host); `flags`: the compiler's, of the
    model's sources; `code_bytes`: what calling the model adds to a program, less its constants (None where a platform
    of the registry built it); `flash_bytes`: of the whole image; `static_bytes`: RAM that is neither main's stack nor
    arena; `store_bytes`: of constants that are linked to a second store, which `store_image` holds;
    `stack_bound_bytes`: what main's stack can come to, and `model_stack_bound_bytes` the model's part of it, by the
    compiler's figures (None where it gives none)."""

    elf: Path
    image: Path
    build_id: str
    firmware_sha256: str
    compiler: str
    flags: list[str]
    code_bytes: int | None
    weights_bytes: int
    flash_bytes: int
    arena_bytes: int
    static_bytes: int
    store_bytes: int = 0
    store_image: Path | None = None
    stack_bound_bytes: int | None = None
    model_stack_bound_bytes: int | None = None


def build(directory: Path, env: str | None = None, verbose: bool = False, report: Report | None = None) -> Built:
    """Builds one environment of a generated folder (by default its first one); what is up to date is left alone.

    `verbose` sends PlatformIO's output to stderr; `report` is told each of its lines. Raises BadInput where the folder
    is not a generated one, DoesNotFit where the linker ran out of a region, ToolError where a compiler is missing or
    the build failed."""
    from filelock import FileLock

    directory = directory.resolve()
    project = open_project(directory, env)
    compiler = require(project)
    with FileLock(_made(directory / ".pio") / "shoal.lock"):
        inputs = _inputs(directory, compiler)
        done = _recorded(project, inputs)
        if done is not None:
            return done
        _remove_results(project)
        run(project, [], verbose=verbose, report=report)
        built = _measure(project, compiler)
        _record(project, inputs, built)
        return built


@dataclass(frozen=True)
class Project:
    """One environment of a generated folder."""

    directory: Path
    env: str
    board: Board
    model_flags: str

    @property
    def output(self) -> Path:
        return self.directory / ".pio" / "build" / self.env

    @property
    def offline(self) -> bool:
        """Whether the in-tree platform builds it."""
        return self.board.platform == "shoal"


def open_project(directory: Path, env: str | None = None) -> Project:
    """Reads platformio.ini and the environment's board file. Raises BadInput."""
    file = directory / "platformio.ini"
    advice = "`shoal generate MODEL --board BOARD --output DIR` makes one"
    if not file.is_file():
        raise BadInput("not a generated folder: no platformio.ini", where=str(directory), advice=advice)
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {str(error).splitlines()[0]}", where=str(file), advice=advice) from None
    envs = [name.removeprefix("env:") for name in config.sections() if name.startswith("env:")]
    env = env or config.get("platformio", "default_envs", fallback="").split(",")[0].strip()
    if env not in envs:
        raise BadInput(
            f"no environment {env!r}", where=str(file), advice=f"choose one of {', '.join(envs)}" if envs else advice
        )
    section = config[f"env:{env}"]
    board: str = section.get("custom_shoal_board") or section.get("board") or env
    flags = section.get("custom_model_flags") or config.get("env", "custom_model_flags", fallback=None) or ""
    return Project(directory, env, boards.load(directory / "boards" / f"{board}.json"), flags)


def require(project: Project) -> str:
    """The compiler and its version, as "arm-none-eabi-gcc 12.2.1". Raises ToolError where it is missing, or, for a
    board that only a registry's platform builds, where that is neither installed nor to be had: PlatformIO itself would
    try for a minute."""
    board = project.board
    if project.offline:
        path = tools.require(tools.COMPILERS[board.toolchain])
        return f"{path.name} {tools.version(path)}"
    if not tools.installed_platform(board.platform, project.directory) and not tools.registry_answers():
        raise ToolError(
            f"PlatformIO's registry does not answer, and {board.platform} is not installed",
            where=f"board {board.id}",
            advice="build it with a network once, or take a board that builds offline, as esp32c3 or netduinoplus2",
        )
    return f"{board.toolchain}gcc of {board.platform}"


def run(
    project: Project,
    targets: Sequence[str],
    *,
    verbose: bool = False,
    report: Report | None = None,
    failure: Callable[[list[str]], ShoalError] | None = None,
    environment: dict[str, str] | None = None,
) -> list[str]:
    """`platformio run` with these further arguments; its lines. Raises what `failure` makes of the lines, by default
    `build_failure`."""
    command, variables = tools.platformio()
    command += ["run", "--project-dir", str(project.directory), "--environment", project.env, *targets]
    with _started(command, variables | (environment or {})) as process:
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if verbose:
                print(lines[-1], file=sys.stderr, flush=True)
            if report is not None:
                report(lines[-1])
        code = process.wait()
    if code != 0:
        raise failure(lines) if failure else build_failure(lines, project)
    return lines


@contextlib.contextmanager
def _started(command: Sequence[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, which is gone afterwards, however this one leaves."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def build_failure(lines: Sequence[str], project: Project) -> ShoalError:
    """The error that a failed build's output tells of."""
    where = f"{project.directory.name}, environment {project.env}"
    short: dict[str, int] = {}
    for line in lines:
        overflow = re.search(r"region `(\w+)' overflowed by (\d+) bytes", line)
        if overflow:
            short[overflow[1]] = max(short.get(overflow[1], 0), int(overflow[2]))
    if short:
        what = ", ".join(f"region {region} is {missing:,} bytes short" for region, missing in short.items())
        ram = any(region.kind == "ram" and region.name in short for region in project.board.regions)
        budget = "--ram-budget" if ram else "--flash-budget or --prefer size"
        return DoesNotFit(what, where=where, advice=f"generate it with {budget}, or for a larger board")
    for pattern in (r"\berror: ", r"undefined reference to ", r"multiple definition of ", r"cannot (find|read|open) "):
        found = next((line for line in lines if re.search(pattern, line) and "ld returned" not in line), None)
        if found:
            return ToolError(
                f"the build failed: {found.strip()}", where=where, advice="`shoal build -v` shows all of it"
            )
    last = next((line for line in lines if re.match(r"(\w*(Error|Exception)\b)", line.strip())), "")
    return ToolError(f"the build failed{': ' + last if last else ''}", where=where, advice="`shoal build -v` shows why")


def _remove_results(project: Project) -> None:
    """SCons believes in a result that is there, whatever became of its content."""
    for pattern in ("firmware.*", "store.bin", "size_*.elf"):
        for file in project.output.glob(pattern):
            file.unlink()


def _measure(project: Project, compiler: str) -> Built:
    output = project.output
    firmware = output / "firmware.elf"
    binary = output / "firmware.bin"
    image = binary if binary.is_file() else firmware
    if not firmware.is_file():
        raise ToolError("the build left no firmware.elf", where=str(output), advice="`shoal build -v` shows why")
    objects = sorted((output / "src" / "model").glob("*.o"))
    weights = sum(elf.symbol_bytes(file) for file in objects if file.name.split(".")[0].endswith("_weights"))
    with_model, without = output / "size_with.elf", output / "size_without.elf"
    code = None
    if with_model.is_file() and without.is_file():
        code = elf.loaded_bytes(with_model) - elf.loaded_bytes(without) - weights
    _check_written(project, objects)
    arena = elf.section_bytes(objects, *_ARENA)
    store = output / "store.bin"
    static = elf.static_bytes(firmware)
    if project.board.hal == "host":
        static -= arena  # a native linker has no section for it
    flags = output / "flags.json"
    bound = _bounded(project, firmware)
    return Built(
        elf=firmware,
        image=image,
        build_id=elf.build_id(firmware),
        firmware_sha256=hashlib.sha256(image.read_bytes()).hexdigest(),
        compiler=compiler,
        flags=json.loads(flags.read_text()) if flags.is_file() else project.model_flags.split(),
        code_bytes=code,
        weights_bytes=weights,
        flash_bytes=image.stat().st_size if image == binary else elf.loaded_bytes(firmware),
        arena_bytes=arena,
        static_bytes=static,
        store_bytes=elf.section_bytes(objects, ".store"),
        store_image=store if store.is_file() else None,
        stack_bound_bytes=None if bound is None else bound.bytes,
        model_stack_bound_bytes=None if bound is None else bound.model_bytes,
    )


def _check_written(project: Project, objects: Sequence[Path]) -> None:
    """The arena is all that a model writes: raises ToolError where its objects have any other writable section."""
    for file in objects:
        for name, size in elf.written(file):
            if not any(name == arena or name.startswith(f"{arena}.") for arena in _ARENA):
                raise ToolError(
                    f"{size:,} B of section {name} can be written to beside the arena",
                    where=f"{project.directory.name}, environment {project.env}, {file.name}",
                    advice="make what model/ defines const, or generate the folder again",
                )


def _bounded(project: Project, firmware: Path) -> stack.Bound | None:
    """The bound of the firmware's stacks. Raises DoesNotFit where they are not set aside as large."""
    bound = stack.bound(firmware, project.output / "src", project.board)
    if bound is None:
        return None
    where = f"{project.directory.name}, environment {project.env}"
    aside = project.board.stack_bytes
    if bound.bytes > aside:
        raise DoesNotFit(
            f"main can take {bound.bytes:,} B of stack ({' > '.join(bound.path)}), {aside:,} B are set aside"
            f" ({bound.bytes - aside:,} B short)",
            where=where,
            advice=f"set shoal.stack_bytes in the board file to {-(-bound.bytes // 32) * 32} or more",
        )
    if bound.handler_bytes > HANDLER_STACK_BYTES:
        raise ToolError(
            f"interrupt handlers can take {bound.handler_bytes:,} B of stack, {HANDLER_STACK_BYTES:,} B are set aside",
            where=where,
            advice="make them call less",
        )
    return bound


def _inputs(directory: Path, compiler: str) -> str:
    """A digest of all that decides what a build comes to: the folder's files, the compiler, PlatformIO's variables."""
    digest = hashlib.sha256(compiler.encode())
    for path in sorted(_files(directory)):
        digest.update(f"\0{path.relative_to(directory).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for name in sorted(os.environ):
        if name.startswith("PLATFORMIO_BUILD"):
            digest.update(f"\0{name}={os.environ[name]}".encode())
    return digest.hexdigest()


def _files(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        if path.is_dir():
            if path.name not in _RESULTS:
                yield from _files(path)
        else:
            yield path


def _record_file(project: Project) -> Path:
    return project.directory / ".pio" / f"shoal-{project.env}.json"


def _recorded(project: Project, inputs: str) -> Built | None:
    """What an earlier build of the same inputs came to, if its files are still there as they were."""
    try:
        record: dict[str, Any] = json.loads(_record_file(project).read_text(encoding="utf-8"))
        if record.pop("inputs") != inputs:
            return None
        for name in ("elf", "image", "store_image"):
            record[name] = record[name] and project.output / record[name]
        built = Built(**record)
        if built.store_image is not None and built.store_image.stat().st_size != built.store_bytes:
            return None
        if hashlib.sha256(built.image.read_bytes()).hexdigest() != built.firmware_sha256:
            return None
        return built if elf.build_id(built.elf) == built.build_id else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record(project: Project, inputs: str, built: Built) -> None:
    record = dataclasses.asdict(built) | {"inputs": inputs, "elf": built.elf.name, "image": built.image.name}
    record["store_image"] = built.store_image and built.store_image.name
    file = _record_file(project)
    fresh = file.with_suffix(".tmp")
    fresh.write_text(json.dumps(record, indent=1), encoding="utf-8")
    fresh.replace(file)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", where=str(folder.parent)) from None
    return folder
