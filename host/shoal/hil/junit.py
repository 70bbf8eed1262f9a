"""Outcomes as JUnit XML, which every CI reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree


def junit(origin: Mapping[str, Any], checks: Sequence[Mapping[str, Any]]) -> bytes:
    """One test suite; `checks` as in the document of `shoal test`."""
    verdicts = [c["verdict"] for c in checks]
    suite = ElementTree.Element(
        "testsuite",
        name=f"shoal.{origin['board']}.{origin['model']}",
        tests=str(len(checks)),
        failures=str(verdicts.count("failed")),
        errors="0",
        skipped=str(verdicts.count("skipped")),
        time=f"{sum(c['seconds'] for c in checks):.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in origin.items():
        ElementTree.SubElement(properties, "property", name=name, value=_printable(str(value)))
    for check in checks:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"shoal.{origin['board']}.{origin['model']}",
            name=check["name"],
            time=f"{check['seconds']:.3f}",
        )
        detail = _printable(check["detail"])
        if check["verdict"] == "failed":
            ElementTree.SubElement(case, "failure", message=detail).text = detail
        elif check["verdict"] == "skipped":
            ElementTree.SubElement(case, "skipped", message=detail)
        else:
            ElementTree.SubElement(case, "system-out").text = detail
    ElementTree.indent(suite)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    made: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return made + b"\n"


def _printable(text: str) -> str:
    """Without control characters, which XML 1.0 has no way to write."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)
