"""Options that commands share, as decorators."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from shoal.plan.steps import Options

F = TypeVar("F", bound=Callable[..., Any])

_SUFFIXES = {"": 1, "B": 1, "KB": 1000, "KIB": 1024, "MB": 1000**2, "MIB": 1024**2}


def bytes_(text: str) -> int:
    """A number of bytes: 60000, 60KB (1000 bytes each) or 64KiB (1024)."""
    digits = text.rstrip("BbKkMmIi ")
    unit = _SUFFIXES.get(text[len(digits) :].strip().upper())
    try:
        amount = float(digits) * (unit or 0)
    except ValueError:
        amount = 0.0
    if not 0 < amount < 2**40 or amount != int(amount):
        raise click.BadParameter(f"`{text}` is no number of bytes like 60000, 60KB or 64KiB")
    return int(amount)


#: the plan options as (flag, settings): their names are the fields of plan.steps.Options
_PLAN = (
    (
        "--prefer",
        {
            "type": click.Choice(["speed", "size", "ram"]),
            "help": "Choose kernels for speed (default), for little flash, or for a small arena.",
        },
    ),
    (
        "--ram-budget",
        {"type": bytes_, "metavar": "BYTES", "help": "Most bytes the arena may take: 60000, 60KB, 64KiB."},
    ),
    ("--flash-budget", {"type": bytes_, "metavar": "BYTES", "help": "Most bytes code and weights may take."}),
    (
        "--feed",
        {
            "type": click.Choice(["whole", "rows", "rows:up"]),
            "help": "How the input arrives; default whole. Rows come top down; rows:up allows bottom up as well.",
        },
    ),
    ("--drain", {"type": click.Choice(["whole", "rows"]), "help": "How the output leaves; default whole."}),
    ("--name", {"metavar": "NAME", "help": "Prefix of the C symbols and files; default from the model's file name."}),
)


def plan_options(function: F) -> F:
    """Adds `--prefer --ram-budget --flash-budget --feed --drain --name`; the function gets them as one argument
    `plan_options`: a dict of those that the user gave (see `options_of`)."""

    @functools.wraps(function)
    def gathered(**arguments: Any) -> Any:
        fields = [flag[2:].replace("-", "_") for flag, _ in _PLAN]
        given = {field: arguments.pop(field) for field in fields}
        return function(plan_options={k: v for k, v in given.items() if v is not None}, **arguments)

    wrapped: Any = gathered
    for flag, settings in reversed(_PLAN):
        wrapped = click.option(flag, **settings)(wrapped)
    return wrapped  # type: ignore[no-any-return]  # click decorators are untyped


def options_of(given: dict[str, Any]) -> Options:
    """The plan options with defaults for what the user left out."""
    return Options(**given)


def model_argument(function: F) -> F:
    """Adds the argument MODEL (`model: Path`), a file."""
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.argument("model", metavar="MODEL", type=kind)(function)


def target_argument(function: F) -> F:
    """Adds the argument TARGET (`target: Path`) and `--board` (`board: str | None`): a DIR, or a MODEL with a board."""
    wrapped = click.option("--board", metavar="BOARD", help="A board's id or file; only with a MODEL.")(function)
    return click.argument("target", metavar="DIR|MODEL", type=click.Path(exists=True, path_type=Path))(wrapped)


def node_option(function: F) -> F:
    """Adds `--node` (`node: tuple[str, ...]`): none is the board's default, see `shoal.cli.target.node_spec`; of a
    shoal `shoal.cli.shoals.node_specs`."""
    return click.option(
        "--node",
        metavar="NODE",
        multiple=True,
        callback=_node,
        help="emulator, host or serial:PORT; default the board's emulator. Of a shoal NAME=NODE for one, repeatable.",
    )(function)


def _node(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        spec = value if value.startswith("serial:") else value.partition("=")[2] or value
        if spec not in ("emulator", "host") and not (spec.startswith("serial:") and len(spec) > len("serial:")):
            raise click.BadParameter(f"`{value}` is none of emulator, host, serial:PORT (as in serial:/dev/ttyACM0)")
    return values


def new_file(_ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path | None:
    """Callback of an option that names a file to write: refuses what cannot be written before any work is done."""
    if value is not None and not value.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {value.absolute().parent}")
    return value


def output_option(help_text: str, *, required: bool = False) -> Callable[[F], F]:
    """Adds `--output` (`output: Path | None`)."""
    return click.option("--output", metavar="PATH", type=click.Path(path_type=Path), required=required, help=help_text)


def meter_option(function: F) -> F:
    """Adds `--meter` (`meter: str | None`), see `shoal.bench.meters.check`."""
    return click.option(
        "--meter",
        metavar="KIND:PORT",
        help="Measure the current, too: ppk2:PORT, a Power Profiler Kit II in the board's supply, trigger pin at D0.",
    )(function)


def plot_option(help_text: str) -> Callable[[F], F]:
    """Adds `--plot` (`plot: Path | None`)."""
    kind = click.Path(dir_okay=False, path_type=Path)
    return click.option("--plot", metavar="FILE", type=kind, callback=_picture, help=help_text)


def _picture(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Refuses a file whose ending says nothing that can be drawn, before any work is done."""
    if value is not None:
        from shoal.report.profile import FORMATS

        if value.suffix.lower() not in FORMATS:
            raise click.BadParameter(f"`{value.name}` ends in none of {', '.join(FORMATS)}")
    return new_file(context, parameter, value)


#: how a shoal runs, as (flag, settings): their names are the fields of shoal.cli.shoals.How
_SHOAL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--in-flight", {"type": click.IntRange(1, 255), "help": "Inputs under way at once; default one more than nodes."}),
    ("--cuts", {"metavar": "B,B,…", "help": "Cut at these boundaries instead; `each`: at one after another."}),
    ("--host-finishes", {"is_flag": True, "help": "With --cuts: what is behind the last one runs on this computer."}),
    ("--link", {"metavar": "WIRE", "help": "Emulated wires: bandwidth=11520,delay=5ms,loss=1%,garble=1%, or a file."}),
    ("--seed", {"type": int, "help": "What such wires lose and damage is drawn by it."}),
    (
        "--log",
        {
            "type": click.Path(dir_okay=False, path_type=Path),
            "callback": new_file,
            "help": "Write what is seen of a shoal's wires and nodes there.",
        },
    ),
)


def shoal_options(function: F) -> F:
    """Adds `--in-flight --cuts --host-finishes --link --seed --log`, which are a shoal's; the function gets them as one
    argument `how`: a dict of those that the user gave."""

    @functools.wraps(function)
    def gathered(**arguments: Any) -> Any:
        fields = [flag[2:].replace("-", "_") for flag, _ in _SHOAL]
        given = {field: arguments.pop(field) for field in fields}
        return function(how={k: v for k, v in given.items() if v not in (None, False)}, **arguments)

    wrapped: Any = gathered
    for flag, settings in reversed(_SHOAL):
        wrapped = click.option(flag, **settings)(wrapped)
    return wrapped  # type: ignore[no-any-return]  # click decorators are untyped
