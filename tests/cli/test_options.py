"""Options that commands share."""

from __future__ import annotations

import click
import pytest

from shoal.cli.options import bytes_


@pytest.mark.parametrize("command", ["analyze", "generate", "build", "flash", "run", "bench", "test", "compare"])
def test_whatever_takes_a_model_takes_preferences(shoal, command):
    text = shoal(command, "--help").out
    assert ("MODEL" in text) == ("[speed|size|ram]" in text)


@pytest.mark.parametrize("command", ["generate", "bench", "compare"])
def test_ram_is_preferred_where_a_model_is_built(shoal, small, tmp_path, monkeypatch, command):
    monkeypatch.setenv("SHOAL_CACHE_DIR", str(tmp_path))
    arguments = ["--output", tmp_path / "made"] if command == "generate" else []
    ran = shoal(command, small, "--board", "host", "--prefer", "ram", *arguments, "--json")
    assert ran.code == 0, ran.out
    assert '"prefer": "ram"' in "".join(p.read_text() for p in tmp_path.rglob("manifest.json"))


@pytest.mark.parametrize(
    "text, value",
    [("60000", 60000), ("60KB", 60_000), ("64KiB", 65_536), ("1.5 kb", 1500), ("2MB", 2_000_000), ("1_000", 1000)],
)
def test_bytes(text, value):
    assert bytes_(text) == value


@pytest.mark.parametrize("text", ["", "KB", "-1", "0", "1.5", "nan", "inf", "12XB", "1e400", "9" * 20])
def test_what_is_no_number_of_bytes(text):
    with pytest.raises(click.BadParameter):
        bytes_(text)
