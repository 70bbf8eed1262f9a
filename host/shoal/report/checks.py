"""What `shoal test` found, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

_VERDICTS = {"passed": "[green]passed[/]", "failed": "[red bold]failed[/]", "skipped": "[yellow]skipped[/]"}


def checks_table(document: Mapping[str, Any]) -> Table:
    """One line per check, and one for the comparison step by step."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("check")
    table.add_column("verdict")
    table.add_column("what was seen", overflow="fold")
    table.add_column("s", justify="right")
    for check in document["checks"]:
        table.add_row(check["name"], _VERDICTS[check["verdict"]], escape(check["detail"]), f"{check['seconds']:.1f}")
    steps = document["steps"]
    if steps is not None:
        found = steps["first_difference"]
        seen = f"{steps['compared']} steps on {steps['inputs']} inputs" if steps["compared"] else "no reference"
        if found is not None:
            seen = f"first difference in step {found['step']} {found['kind']} at {found['index']}"
        verdict = "failed" if found else "passed" if steps["compared"] else "skipped"
        table.add_row("every step", _VERDICTS[verdict], escape(seen), "")
    return table


def checks_line(document: Mapping[str, Any]) -> str:
    """`kws on emulator (netduinoplus2, emulated): 9 passed, 0 failed, 1 skipped`."""
    if "nodes" in document:
        where = f"{document['model']} on {', '.join(n['name'] for n in document['nodes'])}"
    else:
        where = f"{document['model']} on {document['node']} ({document['board']}, {document['source']})"
    return f"{where}: {document['passed']} passed, {document['failed']} failed, {document['skipped']} skipped"
