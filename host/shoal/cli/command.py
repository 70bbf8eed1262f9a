"""What every command is made of: its result, its help with examples, its `--json` and `--debug`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from shoal.errors import ShoalError


@dataclass(frozen=True)
class Result:
    """What a command comes back with. `document` is what `--json` prints (its schema: schemas/COMMAND.schema.json);
    `show` prints the same for people on stdout. `error` is set where the result is whole but not what was asked for:
    does not fit, differs, got worse; it becomes the document's member `error` and the exit code."""

    document: dict[str, Any]
    show: Callable[[], None]
    error: ShoalError | None = None

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error else 0


def command(
    *, examples: Sequence[tuple[str, str]], **settings: Any
) -> Callable[[Callable[..., Result]], click.Command]:
    """Makes a click command of a function that returns a Result. `examples` are (what for, command line) and end the
    help; its docstring is the help itself."""
    epilog = "\b\nExamples:\n" + "\n".join(f"  # {why}\n  {line}" for why, line in examples)

    def decorate(function: Callable[..., Result]) -> click.Command:
        @functools.wraps(function)
        def without_globals(**arguments: Any) -> Result:
            # both are read by `shoal.cli.execute` before click parses anything: a usage error must be JSON, too
            del arguments["as_json"], arguments["debug"]
            return function(**arguments)

        options = [
            click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, nothing else."),
            click.option("--debug", is_flag=True, help="Show the traceback of a fault."),
        ]
        wrapped: Callable[..., Result] = without_globals
        for option in options:
            wrapped = option(wrapped)
        made: click.Command = click.command(None, click.Command, epilog=epilog, **settings)(wrapped)
        made.params = made.params[len(options) :] + made.params[: len(options)]
        return made

    return decorate
