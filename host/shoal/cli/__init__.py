"""The command line: one file per command, imported only when it runs.

A command is a function of the same name as its file, made by `shoal.cli.command.command`; it returns a `Result`. Here
results and errors become text or JSON and an exit code.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import click

import shoal
from shoal.cli.command import Result
from shoal.errors import BadInput, ShoalError

INTERRUPTED = 130

# networks this small gain nothing from several cores and lose much where they are busy; NumPy looks once, on import
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

#: every command and what its line in `shoal --help` says, in the order of a user's road
COMMANDS = {
    "doctor": "Say what is missing on this machine, and the command that mends it.",
    "boards": "List the boards shoal knows, show one, or check a board file.",
    "analyze": "Say what a model needs and which boards it fits, step by step.",
    "compress": "Make a trained network smaller, every stage measured on boards.",
    "generate": "Write a model's C and firmware project for a board.",
    "split": "Split a model over several boards, a firmware project for each.",
    "build": "Build a generated folder with PlatformIO.",
    "flash": "Write a built firmware to a board.",
    "run": "Run a model on inputs, on a board, an emulator or the host.",
    "bench": "Measure latency, RAM and flash of a model on a board.",
    "profile": "Measure a model's operators on boards, for split.",
    "test": "Check a board against the reference: bytes, link, reset, stack.",
    "compare": "Set boards or results side by side; stop at a regression.",
}


class _Commands(click.Group):
    """A group that knows its commands' names and imports a command's module only to run it or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"shoal.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS:
            close = _closest(name)
            ctx.fail(f"no command `{name}`" + (f"; did you mean `{close}`?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _closest(name: str) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, COMMANDS, n=1)), None)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  shoal analyze model.tflite                                    what does it need, where does it fit?
  shoal run model.tflite --board netduinoplus2 --input x.npy    classify on an emulated board
  shoal bench model.tflite --board netduinoplus2                how fast, how much RAM and flash?
""",
)
@click.version_option(shoal.__version__, prog_name="shoal", message="%(prog)s %(version)s")
def shoal_group() -> None:
    """Turn a trained neural network into firmware that fits a microcontroller.

    MODEL is a .tflite file, DIR a folder that `shoal generate` or `shoal split` wrote. Exit codes: 0 done; 1 does not
    fit, results differ or got worse; 2 usage or bad input; 3 hardware or link; 4 a tool is missing or a build failed;
    130 interrupted; 70 a fault of shoal.
    """


def main() -> NoReturn:
    """The console script `shoal`."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # a shell's >&- closes it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _leave)
    sys.exit(execute(sys.argv[1:]))


def _leave(number: int, _frame: Any) -> NoReturn:
    """Ends by an exception, so that emulators and locks are let go of on the way out."""
    raise _Ended(number)


class _Ended(BaseException):
    """A signal asked for the end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def execute(arguments: Sequence[str]) -> int:
    """Runs one command line and prints what it comes to; the exit code."""
    as_json = "--json" in arguments
    debug = "--debug" in arguments
    try:
        if as_json:
            with _only_stderr():
                result = _invoke(arguments)
        else:
            result = _invoke(arguments)
        if result is None:
            return 0
        if as_json:
            document = result.document if result.error is None else result.document | {"error": result.error.as_json()}
            return _print_json(document, result.exit_code)
        return _print_text(result)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", "", "", INTERRUPTED, as_json)
    except _Ended as ended:
        return _fail(f"ended by {signal.Signals(ended.number).name}", "", "", 128 + ended.number, as_json)
    except BrokenPipeError:
        _discard_stdout()
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc(file=sys.stderr)
        known = _explain(error)
        return _fail(known.what, known.where, known.advice, known.exit_code, as_json)


def _invoke(arguments: Sequence[str]) -> Result | None:
    """None where click itself answered (help, version)."""
    if "_SHOAL_COMPLETE" in os.environ:
        shoal_group.main(prog_name="shoal")
    try:
        with shoal_group.make_context("shoal", list(arguments) or ["--help"]) as context:
            result = shoal_group.invoke(context)
    except click.exceptions.Exit:
        sys.stdout.flush()
        return None
    assert isinstance(result, Result)
    return result


def _explain(error: Exception) -> ShoalError:
    """Any exception as an error with what, where and advice."""
    if isinstance(error, ShoalError):
        return error
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "shoal"
        what = error.format_message().rstrip(".")
        return BadInput(what[:1].lower() + what[1:], where=path, advice=f"`{path} --help` shows examples")
    if isinstance(error, OSError) and error.filename is not None and not _ours(str(error.filename)):
        return BadInput((error.strerror or str(error)).lower(), where=str(error.filename))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BadInput("no space is left to write", advice="free some, or write elsewhere")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return ShoalError(
        f"a fault of shoal: {type(error).__name__}: {error}",
        where=f"{Path(frame.filename).name}:{frame.lineno}",
        advice="run it again with --debug and report what it shows",
    )


def _ours(path: str) -> bool:
    """Whether a file is part of shoal: a user can do nothing about it."""
    return Path(path).is_relative_to(Path(__file__).parent.parent)


def _fail(what: str, where: str, advice: str, code: int, as_json: bool) -> int:
    if as_json:
        return _print_json({"error": {"what": what, "where": where, "advice": advice}}, code)
    lines = [f"error: {what}"]
    lines += [f"   at: {where}"] if where else []
    lines += [f"  try: {advice}"] if advice else []
    click.echo("\n".join(lines), err=True)
    return code


def _print_json(document: dict[str, Any], code: int) -> int:
    try:
        sys.stdout.write(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
    except OSError as error:
        return _unprinted(error)
    return code


def _print_text(result: Result) -> int:
    try:
        result.show()
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
    except OSError as error:
        return _unprinted(error)
    if result.error is not None:
        return _fail(result.error.what, result.error.where, result.error.advice, result.exit_code, as_json=False)
    return 0


def _unprinted(error: OSError) -> int:
    """Standard output takes nothing, as on a full disk."""
    _discard_stdout()
    what = f"the result cannot be printed: {(error.strerror or str(error)).lower()}"
    return _fail(what, "standard output", "", BadInput.exit_code, as_json=False)


def _discard_stdout() -> None:
    """Nobody reads on: what is still buffered goes nowhere, instead of failing once more at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    finally:
        os.close(null)


@contextmanager
def _only_stderr() -> Iterator[None]:
    """Sends whatever libraries and child processes print to standard error, Python's stdout and descriptor 1 alike."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
