"""`shoal doctor`: what this machine lacks."""

from __future__ import annotations

import dataclasses
from typing import Any

from shoal.cli.command import Result, command
from shoal.errors import ToolError


@command(
    examples=[
        ("is everything there?", "shoal doctor"),
        ("the same for a program", "shoal doctor --json"),
    ]
)
def doctor() -> Result:
    """Say what is missing on this machine, what for, and the command that mends it.

    Looks for Python packages, cross compilers, emulators, OpenOCD, what PlatformIO needs to build without a network,
    the permission to open serial ports, and, for two seconds, PlatformIO's registry. Exit code 4 if anything is missing
    that work without a network and without a board needs.
    """
    from shoal.build.checks import checks

    found = checks()
    missing = [check for check in found if check.needed and not check.ok]
    document: dict[str, Any] = {"ok": not missing, "checks": [dataclasses.asdict(check) for check in found]}

    def show() -> None:
        from rich.markup import escape
        from rich.table import Table

        from shoal.cli.console import console

        table = Table(box=None, pad_edge=False)
        for title in ("", "what", "for", "found"):
            table.add_column(title)
        for check in found:
            mark = "[green]ok[/]" if check.ok else "[red]missing[/]" if check.needed else "[yellow]absent[/]"
            table.add_row(mark, check.name, escape(check.purpose), escape(check.found))
        out = console()
        out.print(table)
        for check in found:
            if not check.ok and check.mend:
                out.print(f"\n{check.name}:\n  {escape(check.mend)}", soft_wrap=True)
        if not missing:
            out.print("\nAll that is needed without a network and without a board is there.")

    error = None
    if missing:
        names = ", ".join(check.name for check in missing)
        error = ToolError(
            f"missing: {names}", advice=missing[0].mend if len(missing) == 1 else "run the commands above"
        )
    return Result(document, show, error)
