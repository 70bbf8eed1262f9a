"""A comparison as one HTML page that needs nothing else: no scripts, no fonts, no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shoal.report.comparison import figure, notes, source

_TEMPLATE = Path(__file__).with_name("page.html.j2")

_SOURCES = {
    "board": "Measured: by the core's own counter on a real board.",
    "emulated": "Emulated: instructions counted exactly on an emulator; times are estimates, not measurements.",
    "host": "Host: run on this machine, no figure of a board.",
    "model": "Predicted: from the plan and measured tables, nothing was run.",
}

_COLUMNS = (
    ("Board", True),
    ("Fits", True),
    ("RAM", False),
    ("Flash", False),
    ("Instructions", False),
    ("Estimated ms", False),
    ("Measured ms", False),
    ("Exact", True),
    ("Differs in", True),
)


def page(document: Mapping[str, Any], version: str) -> str:
    """The page for a document of `shoal compare`; `version` of shoal goes into its foot. The same document gives the
    same page."""
    results = document["results"]
    fitting = sum(r["fits"] for r in results)
    return _rendered(
        document,
        version,
        title=f"{document['model']} on {_count(len({r['board'] for r in results}), 'board')}",
        subtitle=f"Fits {fitting} of {len(results)}. Model file {document['model_sha256'][:16]}….",
        heading="Side by side",
        sources=_sources(results),
        columns=[{"title": title, "word": word} for title, word in _COLUMNS],
        rows=[_row(document, i) for i in range(len(results))],
        notes=notes(document),
        plots=_plots(results),
    )


def curve_page(document: Mapping[str, Any], version: str) -> str:
    """The page for the curve of a document of `shoal analyze --ram-curve`."""
    from shoal.report import plots

    curve = document["curve"]
    points = curve["points"]
    fastest = max(points[-1]["instructions"], 1)
    head = ("Arena", "Instructions", "Slower by", "Flash", "Steps", "Row by row")
    lines = [
        [
            f"{p['arena_bytes']:,}",
            f"{p['instructions']:,}",
            f"{100 * (p['instructions'] / fastest - 1):.1f} %",
            f"{p['flash_bytes']:,}",
            str(p["steps"]),
            str(p["segments"]),
        ]
        for p in points
    ]
    plot = {
        "title": "RAM against instructions",
        "caption": "Plans that no other one beats in both, and the least that any plan of the space that was searched"
        " can do with.",
        "svg": plots.curve([(p["arena_bytes"], p["instructions"]) for p in points], curve["bound_bytes"]),
        "table": None,
    }
    return _rendered(
        document,
        version,
        title=f"{document['model']} in little RAM",
        subtitle=f"On {curve['board']}: {_range(p['arena_bytes'] for p in points)} bytes of arena;"
        f" no plan can do with fewer than {curve['bound_bytes']:,} live bytes.",
        heading="Plans",
        sources=_SOURCES["model"],
        columns=[{"title": title, "word": False} for title in head],
        rows=[[_cell(text) for text in line] for line in lines],
        notes=[],
        plots=[plot],
    )


_NODE_COLUMNS = (
    ("Node", True),
    ("Operators", False),
    ("Instructions", False),
    ("Computing", False),
    ("Arena", False),
    ("Flash", False),
    ("Takes", False),
    ("Gives", False),
    ("Bytes", True),
)


def shoal_page(document: Mapping[str, Any], version: str) -> str:
    """The page for a document of `shoal bench` of a shoal."""
    from shoal.report import plots

    latency, throughput = document["latency"], document["throughput"]
    longest = throughput["longest_stage_milliseconds"]
    stages = [s for s in document["stages"] if s["kind"] != "carries" or s["milliseconds"] >= longest / 10]
    stages.sort(key=lambda s: -s["milliseconds"])
    labels = [f"wire {s['name']}" if s["kind"] == "carries" else f"{s['name']}: {s['kind']}" for s in stages]
    shown = [
        {
            "title": "Who does what when",
            "caption": f"{throughput['in_flight']} inputs may be under way at once; from the first to a few answers"
            " after the pipeline is full. Replayed from the frames that nodes exchanged, with counted compute and"
            " modelled wires; no time here was measured.",
            "svg": plots.timeline(document["timeline"]),
            "table": None,
        },
        {
            "title": "Stages",
            "caption": "What each part is busy for with one input, alone; the longest sets the pace of them all. Ways"
            " of wires that take less than a tenth of that are left out.",
            "svg": plots.boards(
                [{"label": label} for label in labels],
                [
                    {
                        "title": "milliseconds of one input, model",
                        "parts": [(None, [s["milliseconds"] for s in stages])],
                        "texts": [f"{s['milliseconds']:,.1f}" for s in stages],
                    }
                ],
            ),
            "table": None,
        },
    ]
    assumed = dict.fromkeys((latency["assumption"], throughput["assumption"]))
    notes = [*(f"assumed: {a}" for a in assumed)]
    if document["exact_reason"]:
        notes.append(document["exact_reason"])
    if document["degraded"]:
        notes.append("degraded: answered by a plan without a node that was lost")
    return _rendered(
        document,
        version,
        title=f"{document['model']} over {_count(len(document['nodes']), 'node')}",
        subtitle=f"{throughput['per_second_estimated']:,.3g} answers a second pipelined,"
        f" {throughput['one_at_a_time_per_second']:,.3g} one at a time;"
        f" {latency['milliseconds_estimated']:,.1f} ms to an answer: by a model. {document['topology'].capitalize()}."
        f" Model file {document['model_sha256'][:16]}….",
        heading="Nodes",
        sources=_sources(document["nodes"]),
        columns=[{"title": title, "word": word} for title, word in _NODE_COLUMNS],
        rows=[_node_row(node) for node in document["nodes"]],
        notes=notes,
        plots=shown,
    )


def _node_row(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    chunk, latency = node["chunks"][0], node["latency"]
    computing = latency["milliseconds"] if latency["milliseconds"] is not None else latency["milliseconds_estimated"]
    exact = {True: ("equal", "word good"), False: ("different", "word bad"), None: ("not checked", "word")}
    return [
        _cell(node["name"], note=f"{node['board']}, {source(node)}"),
        _cell(f"{chunk['first']} to {chunk['last'] - 1}"),
        _cell("–" if latency["instructions"] is None else f"{latency['instructions']:,}"),
        _cell("–" if computing is None else f"{computing:,.2f} ms"),
        _cell(f"{node['ram']['arena_bytes']:,}"),
        _cell("–" if node["flash"]["total_bytes"] is None else f"{node['flash']['total_bytes']:,}"),
        _cell(f"{node['bytes_in']:,}"),
        _cell(f"{node['bytes_out']:,}"),
        _cell(*exact[node["exact"]]),
    ]


def _rendered(document: Mapping[str, Any], version: str, *, plots: Sequence[Mapping[str, Any]], **parts: Any) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        error=document.get("error"),
        plots=[{**plot, "svg": Markup(plot["svg"])} for plot in plots],
        footer=f"shoal {version}. Model SHA-256 {document['model_sha256']}. KB = 1000 bytes.",
        **parts,
    )
    return text + "\n"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _sources(results: Sequence[Mapping[str, Any]]) -> str:
    """What the sources of these results mean, in a sentence each."""
    found = {r["source"] for r in results}
    return " ".join(text for key, text in _SOURCES.items() if key in found)


def _row(document: Mapping[str, Any], index: int) -> list[dict[str, Any]]:
    result = document["results"][index]
    changes = {c["figure"]: c for c in document["changes"] if c["result"] == index}
    limits = result["limits"]
    # between builds for one board the change matters, between boards how full each of them gets
    same_board = index > 0 and result["board"] == document["results"][0]["board"]
    exact = {True: ("yes", "word good"), False: ("no", "word bad"), None: ("not checked", "word")}[result["exact"]]
    return [
        _cell(result["label"], note=source(result)),
        _cell(*(("yes", "word good") if result["fits"] else ("no", "word bad")), note=limits["shortfall"]),
        _figure(result, changes, "ram.total_bytes", limit=None if same_board else limits["ram_bytes"]),
        _figure(result, changes, "flash.total_bytes", limit=None if same_board else limits["flash_bytes"]),
        _figure(result, changes, "latency.instructions"),
        _figure(result, changes, "latency.milliseconds_estimated", digits=2),
        _figure(result, changes, "latency.milliseconds", digits=2),
        _cell(*exact),
        _cell(", ".join(result["differs"]) or "–", "word"),
    ]


def _cell(text: str, kind: str = "", note: str | None = None, worse: bool = False) -> dict[str, Any]:
    return {"text": text, "kind": kind, "note": note, "worse": worse}


def _figure(
    result: Mapping[str, Any],
    changes: Mapping[str, Mapping[str, Any]],
    path: str,
    *,
    limit: int | None = None,
    digits: int = 0,
) -> dict[str, Any]:
    value = figure(result, path)
    if value is None:
        return _cell("–")
    text, change = f"{value:,.{digits}f}", changes.get(path)
    worse = change is not None and change["regression"]
    if limit is not None and not worse:
        return _cell(text, note=f"{100 * value / limit:.0f} % of {limit:,}")
    if change is not None and change["percent"]:
        return _cell(text, note=f"{change['percent']:+.1f} %", worse=worse)
    return _cell(text)


def _plots(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    shown = [_boards_plot(results)]
    stepped = [r for r in results if r["latency"]["steps"]]
    if stepped:
        shown.append(_memory_plot(stepped))
        shown += _cost_plot(stepped)
    return shown


def _boards_plot(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from shoal.report import plots

    ram = (("arena", "arena_bytes"), ("static", "static_bytes"), ("stack", "stack_total_bytes"))
    panels: list[dict[str, Any]] = [
        {"title": "RAM", "parts": _parts(results, "ram", ram), "texts": [_of_limit(r, "ram") for r in results]},
        {"title": "Flash", "parts": _flash_parts(results), "texts": [_of_limit(r, "flash") for r in results]},
    ]
    for path, title, unit in (
        ("latency.instructions", "Instructions of one inference", ""),
        ("latency.milliseconds_estimated", "Time of one inference, estimated", " ms"),
        ("latency.milliseconds", "Time of one inference, measured on a board", " ms"),
    ):
        values = [figure(r, path) for r in results]
        if any(v is not None for v in values):
            texts = [
                "none" if v is None else f"{_short(v)}{unit}, {source(r)}" for v, r in zip(values, results, strict=True)
            ]
            panels.append({"title": title, "parts": [(None, values)], "texts": texts})
    return {
        "title": "Boards side by side",
        "caption": "Shorter bars are better. Every figure says where it comes from.",
        "svg": plots.boards([{"label": r["label"]} for r in results], panels),
        "table": None,
    }


def _parts(
    results: Sequence[Mapping[str, Any]], section: str, members: Sequence[tuple[str, str]]
) -> list[tuple[str, list[float | None]]]:
    return [(name, [figure(r, f"{section}.{member}") for r in results]) for name, member in members]


def _flash_parts(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[float | None]]]:
    parts = _parts(results, "flash", (("weights", "weights_bytes"), ("model's code", "code_bytes")))
    rest = []
    for r, weights, code in zip(results, parts[0][1], parts[1][1], strict=True):
        total = figure(r, "flash.total_bytes")
        rest.append(None if total is None else total - (weights or 0) - (code or 0))
    return [*parts, ("harness", rest)]


def _of_limit(result: Mapping[str, Any], section: str) -> str:
    value, limit = figure(result, f"{section}.total_bytes"), result["limits"][f"{section}_bytes"]
    if value is None:
        return "none"
    text = f"{value / 1000:,.1f} KB"
    if limit is not None:
        text += f" of {limit / 1000:,.0f} KB ({100 * value / limit:.0f} %)"
    return text + (", predicted" if result["source"] == "model" else "")


def _short(value: float) -> str:
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:.2f}{name}"
    return f"{value:.3g}"


def _memory_plot(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from shoal.report import plots

    groups: dict[tuple[int, ...], list[str]] = {}
    for r in results:
        groups.setdefault(tuple(s["arena_bytes"] for s in r["latency"]["steps"]), []).append(r["label"])
    longest = max(results, key=lambda r: len(r["latency"]["steps"]))
    steps = step_names(longest)
    series: list[dict[str, Any]] = [{"label": _list(labels), "bytes": list(used)} for used, labels in groups.items()]
    most = max(map(max, groups))
    return {
        "title": "Memory over the steps",
        "caption": f"Bytes of the arena in use while each step runs, scratch included: at most {most:,}."
        f" The arena itself takes {_range(r['ram']['arena_bytes'] for r in results)}.",
        "svg": plots.memory(series, steps),
        "table": {
            "head": ["step", *(s["label"] for s in series)],
            "lines": [
                [name, *(f"{s['bytes'][i]:,}" if i < len(s["bytes"]) else "–" for s in series)]
                for i, name in enumerate(steps)
            ],
        },
    }


def _range(values: Iterable[int]) -> str:
    known = sorted(values)
    low, high = known[0], known[-1]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _list(labels: Sequence[str]) -> str:
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")


def _cost_plot(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One plot for each set of steps: results whose steps differ have no axis in common."""
    from shoal.report import plots

    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for r in results:
        if all(s["instructions"] is not None for s in r["latency"]["steps"]):
            groups.setdefault(tuple(step_names(r)), []).append(r)
    shown = []
    for steps, members in groups.items():
        panels = [
            {
                "title": f"{r['label']}, {source(r)}",
                "unit": "instructions",
                "values": [s["instructions"] for s in r["latency"]["steps"]],
            }
            for r in members
        ]
        shown.append(
            {
                "title": "Cost per step",
                "caption": "Instructions of each step in one inference, and its share of the whole.",
                "svg": plots.cost(panels, list(steps)),
                "table": {
                    "head": ["step", *(p["title"] for p in panels)],
                    "lines": [[name, *(f"{p['values'][i]:,}" for p in panels)] for i, name in enumerate(steps)],
                },
            }
        )
    return shown


def step_names(result: Mapping[str, Any]) -> list[str]:
    """A step's index and what it runs."""
    return [f"{s['index']} {'+'.join(map(str, s['operators']))}" for s in result["latency"]["steps"]]
