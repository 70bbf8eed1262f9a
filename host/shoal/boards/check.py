"""What is wrong with a board file: first the published schema, then what a schema cannot say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from shoal import resources

SCHEMA = Path(__file__).with_name("board.schema.json")


def check(path: Path) -> list[str]:
    """One sentence per problem: where (JSON pointer), what, what is allowed. The meaning is looked at only once the
    form is right."""
    if not re.fullmatch(r"[a-z0-9_]+", path.stem):
        return [f"the file's stem is the board's id: {path.stem!r} must be of a-z, 0-9 and _"]
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return [f"cannot be read: {error.strerror}"]
    except UnicodeDecodeError:
        return ["not a text file in UTF-8"]
    except json.JSONDecodeError as error:
        return [f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}"]
    except RecursionError:
        return ["not a board file: nested too deeply"]
    return list(_form(manifest)) or list(_meaning(manifest))


def _form(manifest: Any) -> Iterator[str]:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for error in sorted(validator.iter_errors(manifest), key=lambda e: [str(part) for part in e.absolute_path]):
        yield from _sentences(error)


def _sentences(error: Any) -> Iterator[str]:
    # null or a record: the record's own mistakes help more than "none of two forms"
    if error.validator == "oneOf" and isinstance(error.instance, dict):
        for inner in error.context:
            if inner.schema_path[0] == 1:
                yield from _sentences(inner)
        return
    where = "/" + "/".join(str(part) for part in error.absolute_path)
    yield f"{where}: {_what(error)}"


def _what(error: Any) -> str:
    value, allowed = json.dumps(error.instance, ensure_ascii=False), error.validator_value
    if len(value) > 60:
        value = value[:57] + "..."
    match error.validator:
        case "required":
            # one error for each missing member, named only in its text
            return f"{error.message.split(' is ')[0].strip(chr(39))} is missing"
        case "additionalProperties" if allowed is False:
            known = error.schema["properties"]
            unknown = ", ".join(sorted(name for name in error.instance if name not in known))
            return f"unknown: {unknown}; allowed are {', '.join(known)}"
        case "enum":
            return f"{value} is none of {', '.join(json.dumps(one) for one in allowed)}"
        case "type":
            kinds = [allowed] if isinstance(allowed, str) else allowed
            return f"{value} must be {' or '.join(kinds)}"
        case "pattern":
            return f"{value} does not match {allowed}"
        case "oneOf":
            return f"{value} must be an object or null"
        case _:
            return str(error.message)


def _meaning(manifest: Mapping[str, Any]) -> Iterator[str]:
    own = manifest["shoal"]
    hals = _hals()
    if own["hal"] not in hals:
        yield f"/shoal/hal: no hal {own['hal']!r}; there are {', '.join(hals)}"
    yield from _regions(own)
    yield from _store(own)
    yield from _unique("uarts", own["uarts"])
    offline = own.get("platform", "shoal") == "shoal"
    if offline and own["toolchain"].startswith("xtensa"):
        yield "/shoal/toolchain: the in-tree platform has no Xtensa compiler; name a registry platform in platform"
    if not offline and not own.get("framework"):
        yield "/shoal/framework: a registry platform needs one, as arduino or espidf"
    if offline and (own.get("platformio_board") or own.get("framework")):
        yield "/shoal: platformio_board and framework are for registry platforms; remove them or name one in platform"
    stated = manifest.get("build", {}).get("f_cpu")
    if stated is not None and stated != f"{own['clock_hz']}L":
        yield f"/build/f_cpu: {stated} differs from /shoal/clock_hz, {own['clock_hz']}L"


def _hals() -> list[str]:
    """The folders of firmware/hal that are a family of their own, not what families share."""
    folders = {path.name: path for path in resources.firmware().glob("hal/*") if path.is_dir()}
    shared = {
        name
        for folder in folders.values()
        for file in folder.glob("*.[ch]*")
        for name in re.findall(r'#include "\.\./(\w+)/', file.read_text(encoding="utf-8"))
    }
    return sorted(folders.keys() - shared)


def _regions(own: Mapping[str, Any]) -> Iterator[str]:
    regions = own["regions"]
    yield from _unique("regions", regions)
    if not any(region["kind"] == "flash" for region in regions):
        yield "/shoal/regions: there is no region of kind flash for code and weights"
    arenas = [region for region in regions if region.get("arena")]
    if [region["kind"] for region in arenas] != ["ram"]:
        yield f'/shoal/regions: {len(arenas)} regions have "arena": true; it must be exactly one, of kind ram'
    spans = []
    for i, region in enumerate(regions):
        start = int(region["address"], 16)
        spans.append((start, start + region["bytes"], i))
        if start + region["bytes"] > 1 << 32:
            yield f"/shoal/regions/{i}: {region['name']} ends beyond 32-bit addresses"
        if region.get("tensors") and (region["kind"] != "ram" or region.get("arena")):
            yield f"/shoal/regions/{i}/tensors: only RAM beside the arena's region takes tensors, too"
        if region["kind"] == "ram" and start % 32:
            yield f"/shoal/regions/{i}/address: RAM must start at a multiple of 32"
        if region.get("arena") and own["stack_bytes"] >= region["bytes"]:
            yield f"/shoal/stack_bytes: {own['stack_bytes']} B of stack leave nothing of {region['name']}"
    for (start, end, i), (other_start, other_end, j) in combinations(spans, 2):
        if start < other_end and other_start < end:
            yield f"/shoal/regions/{j}: {regions[j]['name']} overlaps {regions[i]['name']}"


def _store(own: Mapping[str, Any]) -> Iterator[str]:
    store = own.get("store") or {}
    if "pins" in store and "address" not in store:
        yield "/shoal/store/pins: they are for a store that is mapped; add its address"
    if "address" not in store:
        return
    start = int(store["address"], 16)
    if start % 4 or start + store["bytes"] > 1 << 32:
        yield "/shoal/store/address: it must be a multiple of 4, and the store end within 32-bit addresses"
    for region in own["regions"]:
        if region["name"] == "store":
            yield "/shoal/regions: a region named store, beside the store that is mapped"
        if start < int(region["address"], 16) + region["bytes"] and int(region["address"], 16) < start + store["bytes"]:
            yield f"/shoal/store/address: the store overlaps {region['name']}"


def _unique(member: str, items: list[Mapping[str, Any]]) -> Iterator[str]:
    seen: set[str] = set()
    for i, item in enumerate(items):
        if item["name"] in seen:
            yield f"/shoal/{member}/{i}/name: {item['name']} is there twice"
        seen.add(item["name"])
