"""What a run came to, for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

#: rows shown one by one; more are counted
_SHOWN = 20


def answers_line(document: dict[str, Any]) -> str:
    """`500 rows on emulator (netduinoplus2, emulated)`; of a shoal, `500 rows on 2 nodes (a: emulator, b: host)`."""
    rows, nodes = document["rows"], document.get("nodes")
    where = f"{document['node']} ({document['board']}, {document['source']})" if nodes is None else _nodes(nodes)
    line = f"{rows} row{'s' * (rows != 1)} on {where}"
    return line + (f", {document['retries']} frames sent again" if document["retries"] else "")


def answers_table(document: dict[str, Any]) -> Table:
    """Row by row, the class and score of a classifier, the range of any other output."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    answers = document["answers"]
    classes = answers[0]["class"] is not None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("row", justify="right")
    table.add_column("class" if classes else "lowest", justify="left" if classes else "right")
    table.add_column("score" if classes else "highest", justify="right")
    for row, answer in enumerate(answers[:_SHOWN]):
        if classes:
            table.add_row(str(row), escape(_name(answer)), f"{answer['score']:.3f}")
        else:
            table.add_row(str(row), f"{answer['low']:.6g}", f"{answer['high']:.6g}")
    if len(answers) > _SHOWN:
        table.add_row("…", "…", "…")
    return table


def answers_summary(document: dict[str, Any]) -> str | None:
    """What the rows came to as a whole, where there are more than the table shows."""
    answers = document["answers"]
    if len(answers) <= _SHOWN:
        return None
    counts = ""
    if answers[0]["class"] is not None:
        counts = "in all " + ", ".join(f"{n} × {name}" for name, n in Counter(map(_name, answers)).most_common()) + "; "
    return f"{counts}--output FILE saves every answer"


def _nodes(nodes: list[dict[str, Any]]) -> str:
    said = ", ".join(f"{n['name']}: {n['node']}" for n in nodes)
    return f"{len(nodes)} node{'s' * (len(nodes) != 1)} ({said})"


def _name(answer: dict[str, Any]) -> str:
    return answer["label"] or str(answer["class"])
