"""FULLY_CONNECTED_SUMS: parts of layers of all shapes, zero points and pairs of outputs, in generated C."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from parts import Layer, assert_chunks_are_exact, layers

from shoal.operators.fully_connected_sums import NAME

several = st.lists(layers(), min_size=5, max_size=5)


@pytest.mark.parametrize("features", [frozenset(), frozenset({"dsp"})], ids=["plain", "dsp"])
@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_generated_c_is_the_reference(features: frozenset[str], drawn: list[Layer]) -> None:
    assert_chunks_are_exact(drawn, NAME, features)


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "rv32imc"])
@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_emulated_c_is_the_reference(core: str, drawn: list[Layer]) -> None:
    assert_chunks_are_exact(drawn, NAME, core=core)
