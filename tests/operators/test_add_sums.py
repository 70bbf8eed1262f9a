"""ADD_SUMS: int32 that wraps, in generated C."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from parts import Layer, assert_chunks_are_exact, layers

from shoal.operators.add_sums import NAME

several = st.lists(layers().filter(lambda layer: layer.parts > 1), min_size=5, max_size=5)


@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_generated_c_is_the_reference(drawn: list[Layer]) -> None:
    assert_chunks_are_exact(drawn, NAME)


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "rv32imc"])
@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_emulated_c_is_the_reference(core: str, drawn: list[Layer]) -> None:
    assert_chunks_are_exact(drawn, NAME, core=core)
