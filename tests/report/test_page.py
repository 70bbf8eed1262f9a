"""The page of a comparison: complete, self-contained, well-formed, the same each time."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from shoal.report.comparison import compare
from shoal.report.page import page

VOID = {"meta", "link", "br", "img", "input", "hr"}


class _Checker(HTMLParser):
    """Collects ids and checks that elements close in order."""

    def __init__(self):
        super().__init__()
        self.ids, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.ids += [v for k, v in attributes if k == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.ids += [v for k, v in attributes if k == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def document(result):
    small = result(
        "nucleo_f103rb",
        source="model",
        node=None,
        exact=None,
        fits=False,
        why_not_measured="it does not fit",
        limits__shortfall="region ram is 3,200 B short",
        label="nucleo_f103rb <b>",
    )
    return compare([result(), result("esp32c3", scale=2), small], 50)


def test_page_is_well_formed_and_ids_are_unique(document):
    checker = _Checker()
    checker.feed(page(document, "0.1.0"))
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids)) > 0


def test_page_needs_nothing_else(document):
    text = page(document, "0.1.0")
    assert not re.search(r"<(script|link|img|iframe)\b", text)
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', text.replace("xlink:href", "href"))
    assert "@import" not in text and "prefers-color-scheme: dark" in text


def test_page_says_what_is_emulated_predicted_and_short(document):
    text = page(document, "0.1.0")
    assert "nucleo_f103rb &lt;b&gt;" in text and "nucleo_f103rb <b>" not in text
    for words in (
        "emulated",
        "predicted",
        "3,200 B short",
        "not measurements",
        "Memory over the steps",
        "Cost per step",
    ):
        assert words in text


def test_page_without_steps_has_no_plots_over_steps(result):
    assert "Cost per step" not in page(compare([result(latency__steps=[])]), "0.1.0")


def test_same_document_same_page(document):
    assert page(document, "0.1.0") == page(document, "0.1.0")
