"""Results side by side: refusals, marks, regressions."""

from __future__ import annotations

import pytest
from rich.console import Console

from shoal.errors import BadInput
from shoal.report.comparison import compare, comparison_table, finding, notes


def test_results_of_different_models_are_refused(result):
    with pytest.raises(BadInput, match="different models"):
        compare([result(), result(label="other", model_sha256="00" * 32)])


def test_different_compilers_flags_and_options_are_marked(result):
    other = result(label="b", compiler="gcc 14", flags=["-Os", "-mcpu=cortex-m4"], options={"prefer": "size"})
    document = compare([result(label="a"), other])
    assert document["results"][0]["differs"] == []
    assert document["results"][1]["differs"] == ["compiler", "flags", "options"]


def test_between_boards_the_cores_own_flags_are_no_difference(result):
    document = compare([result(), result("netduino2", flags=["-O3", "-mcpu=cortex-m3"])])
    assert document["results"][1]["differs"] == []


@pytest.mark.parametrize(
    "scale, above, regression",
    [(1.06, 5, True), (1.04, 5, False), (0.5, 5, False), (1.001, 0, True), (1.06, None, False)],
)
def test_a_regression_is_more_than_allowed_worse_than_the_first(result, scale, above, regression):
    document = compare([result(label="old"), result(label="new", scale=scale)], above)
    assert any(c["regression"] for c in document["changes"]) == regression
    error = finding(document)
    assert (error is not None) == regression
    if error is not None:
        assert error.exit_code == 1 and error.where == "new" and "old" in error.advice


def test_growth_from_nothing_is_a_regression_without_percent(result):
    document = compare([result(ram__total_bytes=0), result()], 50)
    change = next(c for c in document["changes"] if c["figure"] == "ram.total_bytes")
    assert change["percent"] is None and change["regression"]
    assert finding(document) is not None


def test_figures_that_one_side_lacks_are_not_compared(result):
    document = compare([result(latency__instructions=None), result()], 0)
    assert "latency.instructions" not in {c["figure"] for c in document["changes"]}


def test_too_small_a_board_and_differing_bytes_are_findings(result):
    assert "does not fit" in str(finding(compare([result(), result("tiny", fits=False)])))
    assert "differ" in str(finding(compare([result(exact=False)])))


def test_table_shows_every_result_and_what_it_stands_on(result):
    predicted = result("esp32[dev]", source="model", why_not_measured="no emulator", exact=None, exact_reason="not run")
    document = compare([result(), predicted, result("mps2_an386", scale=1.2)], 10)
    console = Console(width=160, record=True)
    console.print(comparison_table(document))
    text = console.export_text() + "\n".join(notes(document))
    for words in ("netduinoplus2", "esp32[dev]", "predicted", "no emulator", "+20.0 %", "emulated", "cycle table"):
        assert words in text
