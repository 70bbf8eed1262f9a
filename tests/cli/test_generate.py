"""`shoal generate`."""

from __future__ import annotations

import json

import pytest


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_that_stands_alone_and_is_the_same_each_time(shoal, small, tmp_path):
    ran = shoal("generate", small, "--board", "netduinoplus2", "--output", tmp_path / "a", "--json")
    assert ran.code == 0
    assert shoal("generate", small, "--board", "netduinoplus2", "--output", tmp_path / "b").code == 0
    files = contents(tmp_path / "a")
    assert files == contents(tmp_path / "b")
    manifest = json.loads(files["manifest.json"])
    assert set(manifest["files"]) == set(files) - {"manifest.json"}
    document = ran.document
    assert document["files"] == len(files) and document["arena_bytes"] == manifest["arena_bytes"]
    for path in ("platformio.ini", "model/small.h", "model/small.c", "boards/netduinoplus2.json", "library.json"):
        assert path in files


def test_an_earlier_folder_is_replaced_another_is_left_alone(shoal, small, tmp_path):
    made = tmp_path / "made"
    assert shoal("generate", small, "--board", "netduinoplus2", "--output", made).code == 0
    assert shoal("generate", small, "--board", "esp32c3", "--output", made).code == 0
    assert json.loads((made / "manifest.json").read_text())["board"] == "esp32c3"
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    ran = shoal("generate", small, "--board", "netduinoplus2", "--output", other, "--json")
    assert ran.code == 2 and (other / "thesis.tex").read_text() == "years of work"


def test_too_large_a_model_names_step_region_and_shortfall(shoal, large, tmp_path):
    ran = shoal("generate", large, "--board", "nucleo_f103rb", "--output", tmp_path / "made", "--json")
    assert ran.code == 1
    assert not (tmp_path / "made").exists()
    error = ran.document["error"]
    text = " ".join(error.values())
    assert "step 0 conv_2d" in text and "short" in text


@pytest.mark.parametrize("missing", ["--board", "--output"])
def test_board_and_output_must_be_named(shoal, small, tmp_path, missing):
    given = {"--board": "netduinoplus2", "--output": tmp_path / "made"}
    del given[missing]
    ran = shoal("generate", small, *next(iter(given.items())), "--json")
    assert ran.code == 2 and missing in ran.document["error"]["what"]


def test_variants_lie_in_one_image_and_the_same_network_costs_nothing(shoal, small, large, tmp_path):
    asked = ["--board", "host", "--output", tmp_path / "made", "--json"]
    ran = shoal("generate", small, "--variant", small, "--variant", large, *asked)
    assert ran.code == 0, ran.out
    first, same, other = ran.document["variants"]
    assert same["added_weights_bytes"] == 0 < first["added_weights_bytes"]
    assert first["model_sha256"] == same["model_sha256"] != other["model_sha256"]
    assert ran.document["weights_bytes"] == first["added_weights_bytes"] + other["added_weights_bytes"]
    shared = json.loads((tmp_path / "made" / "manifest.json").read_text())["residents"][0]["receive_offset"]
    assert other["arena_bytes"] <= shared < other["arena_bytes"] + 16
    refused = shoal("generate", small, "--variant", small, "--feed", "rows", *asked)
    assert refused.code == 2 and "whole tensors" in refused.document["error"]["what"]
