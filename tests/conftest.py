"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# the same as the command line does, before anything imports NumPy
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# no test fails because a machine is slow; on CI the same examples are drawn each time
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real models and inputs that SHOAL_TEST_DATA names; tests that need it skip without."""
    folder = os.environ.get("SHOAL_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real models: set SHOAL_TEST_DATA to their folder")
    return Path(folder)
