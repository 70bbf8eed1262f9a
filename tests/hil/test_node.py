"""Every check of the suite on the node that the options name."""

from __future__ import annotations

import pytest

from shoal.hil import suite
from shoal.hil.steps import first_difference


@pytest.mark.parametrize("name", suite.CHECKS)
def test_check(subject, name):
    try:
        suite.CHECKS[name](subject)
    except suite.Skipped as reason:
        pytest.skip(str(reason))


def test_every_step(subject):
    if subject.oracle is None:
        pytest.skip(subject.why_no_oracle)
    assert first_difference(subject.session, subject.oracle, subject.inputs[0]) is None
