"""What every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's cache that all tests of a session share, in whatever process they run."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "session_cache"


@pytest.fixture(scope="module")
def cache(session_cache: Path) -> Iterator[None]:
    """Commands of this module find what those of others built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOAL_CACHE_DIR", str(session_cache))
        yield
