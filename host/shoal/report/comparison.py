"""Results side by side: what differs, what got worse, one table. Reads results as data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shoal.errors import BadInput, DoesNotFit

if TYPE_CHECKING:
    from rich.table import Table

#: figures where less is better, and how people call them
FIGURES = {
    "latency.instructions": "instructions",
    "latency.cycles": "cycles",
    "latency.cycles_estimated": "estimated cycles",
    "latency.milliseconds": "milliseconds",
    "latency.milliseconds_estimated": "estimated milliseconds",
    "ram.total_bytes": "RAM",
    "flash.total_bytes": "flash",
}

#: what else may tell two results apart, besides their board
_CONDITIONS = ("compiler", "flags", "options", "rounding", "source")


def compare(results: Sequence[Mapping[str, Any]], fail_above: float | None = None) -> dict[str, Any]:
    """The document of `shoal compare`: the results, each with what sets it apart from the first one (`differs`), and
    the change of each figure against the first one's. A change of more than `fail_above` percent is a regression.

    A result is a document of `shoal bench`, plus `label`, `fits`, `limits` and `why_not_measured`. Raises BadInput
    where they are of different models."""
    first = results[0]
    for result in results[1:]:
        if result["model_sha256"] != first["model_sha256"]:
            raise BadInput(
                f"results of different models: {first['label']} is of {first['model']}"
                f" ({first['model_sha256'][:12]}), {result['label']} of {result['model']}"
                f" ({result['model_sha256'][:12]})",
                where=str(result["label"]),
                advice="compare results of one model file",
            )
    return {
        "model": first["model"],
        "model_sha256": first["model_sha256"],
        "baseline": first["label"],
        "fail_above": fail_above,
        "results": [{**r, "differs": _differs(first, r)} for r in results],
        "changes": [c for i, r in enumerate(results[1:], 1) for c in _changes(i, first, r, fail_above)],
    }


def finding(document: Mapping[str, Any]) -> DoesNotFit | None:
    """What makes a comparison fail, the worst first: a board that is too small, bytes that differ, a regression."""
    results = document["results"]
    small = [r for r in results if not r["fits"]]
    if small:
        return DoesNotFit(
            f"does not fit {', '.join(r['label'] for r in small)}",
            where=document["model"],
            advice=f"`shoal analyze` says where on {small[0]['board']}; try --prefer size, or another board",
        )
    wrong = [r for r in results if r["exact"] is False]
    if wrong:
        return DoesNotFit(
            f"outputs differ from the reference on {', '.join(r['label'] for r in wrong)}",
            where=document["model"],
            advice="`shoal test DIR --steps` finds the first step that differs",
        )
    worse = [c for c in document["changes"] if c["regression"]]
    if worse:
        worst = max(worse, key=lambda c: float("inf") if c["percent"] is None else c["percent"])
        grown = "" if worst["percent"] is None else f" (+{worst['percent']:.1f} %)"
        return DoesNotFit(
            f"{len(worse)} figure{'s' * (len(worse) > 1)} got worse by more than {document['fail_above']:g} %, most"
            f" {FIGURES[worst['figure']]}: {worst['baseline']:,} to {worst['value']:,}{grown}",
            where=results[worst["result"]]["label"],
            advice=f"the baseline is {document['baseline']}",
        )
    return None


def figure(result: Mapping[str, Any], path: str) -> Any:
    """A figure by its path, as in `latency.instructions`; None where the result does not have it."""
    value: Any = result
    for part in path.split("."):
        value = None if value is None else value.get(part)
    return value


def _differs(first: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    pairs = {c: (_condition(first, result, c), _condition(result, first, c)) for c in _CONDITIONS}
    # what was only predicted has no compiler to differ
    return [c for c, (mine, theirs) in pairs.items() if mine != theirs and None not in (mine, theirs)]


def _condition(result: Mapping[str, Any], other: Mapping[str, Any], name: str) -> Any:
    """A condition in a form to compare; between boards, flags that name the core say nothing new."""
    value = result.get(name)
    if name == "flags" and value is not None and result["board"] != other["board"]:
        return [f for f in value if not f.startswith("-m")]
    return value


def _changes(
    index: int, first: Mapping[str, Any], result: Mapping[str, Any], fail_above: float | None
) -> list[dict[str, Any]]:
    changes = []
    for path in FIGURES:
        old, new = figure(first, path), figure(result, path)
        if old is None or new is None:
            continue
        percent = 100 * (new - old) / old if old else (0.0 if new == old else None)
        worse = fail_above is not None and (new > 0 if percent is None else percent > fail_above)
        changes.append(
            {"result": index, "figure": path, "baseline": old, "value": new, "percent": percent, "regression": worse}
        )
    return changes


def comparison_table(document: Mapping[str, Any]) -> Table:
    """One column per figure, one line per result; estimates and predictions are marked as such."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    results = document["results"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("result")
    table.add_column("fits")
    for heading in ("RAM B", "flash B", "instructions", "est. ms", "meas. ms"):
        table.add_column(heading, justify="right")
    for heading in ("source", "exact", "differs in"):
        table.add_column(heading)
    for i, result in enumerate(results):
        changes = {c["figure"]: c for c in document["changes"] if c["result"] == i}
        table.add_row(
            escape(result["label"]),
            "[green]yes[/]" if result["fits"] else "[red bold]no[/]",
            *(
                _cell(figure(result, path), changes.get(path), digits)
                for path, digits in (
                    ("ram.total_bytes", 0),
                    ("flash.total_bytes", 0),
                    ("latency.instructions", 0),
                    ("latency.milliseconds_estimated", 2),
                    ("latency.milliseconds", 2),
                )
            ),
            source(result),
            {True: "[green]yes[/]", False: "[red bold]no[/]", None: "–"}[result["exact"]],
            ", ".join(result["differs"]) or "–",
        )
    return table


def source(result: Mapping[str, Any]) -> str:
    """Where a result's figures come from, in a word for people."""
    return {"board": "measured", "emulated": "emulated", "host": "host", "model": "predicted"}[result["source"]]


def _cell(value: float | None, change: Mapping[str, Any] | None, digits: int) -> str:
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}"
    if change is None or not change["percent"]:
        return text
    mark = f"{change['percent']:+.1f} %"
    return f"{text} [red]{mark}[/]" if change["regression"] else f"{text} [dim]{mark}[/]"


def notes(document: Mapping[str, Any]) -> list[str]:
    """What must be said beside the figures."""
    results = document["results"]
    notes = [
        f"{r['label']}: not run, figures predicted: {r['why_not_measured']}" for r in results if r["why_not_measured"]
    ]
    notes += [f"{r['label']}: {reason}" for r in results for reason in [figure(r, "limits.shortfall")] if reason]
    assumed = {a for r in results if (a := figure(r, "latency.assumption"))}
    notes += [f"estimated time: {a}" for a in sorted(assumed)]
    if len({r["board"] for r in results}) < len(results):
        notes.append(f"changes are against {document['baseline']}")
    return notes
