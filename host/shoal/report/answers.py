"""What a run came to, for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

#: rows shown one by one; more are counted
_SHOWN = 20


def answers_line(document: dict[str, Any]) -> str:
    """`500 rows on emulator (netduinoplus2, emulated)`."""
    rows = document["rows"]
    line = f"{rows} row{'s' * (rows != 1)} on {document['node']} ({document['board']}, {document['source']})"
    return line + (f", {document['retries']} frames sent again" if document["retries"] else "")


def answers_table(document: dict[str, Any]) -> Table:
    """Row by row, the class and score of a classifier, the range of any other output."""
    from rich import box
    from rich.table import Table

    answers = document["answers"]
    classes = answers[0]["class"] is not None
    table = Table(title=answers_line(document), title_justify="left", box=box.SIMPLE_HEAD, caption_justify="left")
    table.add_column("row", justify="right")
    table.add_column("class" if classes else "lowest", justify="left" if classes else "right")
    table.add_column("score" if classes else "highest", justify="right")
    for row, answer in enumerate(answers[:_SHOWN]):
        if classes:
            table.add_row(str(row), _name(answer), f"{answer['score']:.3f}")
        else:
            table.add_row(str(row), f"{answer['low']:.6g}", f"{answer['high']:.6g}")
    if len(answers) > _SHOWN:
        rest = f"… and {len(answers) - _SHOWN} more; --output FILE saves them all"
        counts = ", ".join(f"{n} × {name}" for name, n in Counter(map(_name, answers)).most_common(12))
        table.caption = f"{rest}\nin all: {counts}" if classes else rest
    return table


def _name(answer: dict[str, Any]) -> str:
    return answer["label"] or str(answer["class"])
