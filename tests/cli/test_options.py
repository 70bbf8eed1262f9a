"""Options that commands share."""

from __future__ import annotations

import click
import pytest

from shoal.cli.options import bytes_


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
