"""What the tests of building share: a PlatformIO home of their own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any PlatformIO files, and none of the user's settings."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("SHOAL_CACHE_DIR", str(folder / "cache"))
    for name in ("PLATFORMIO_CORE_DIR", "PLATFORMIO_UPLOAD_FLAGS", "PLATFORMIO_BUILD_FLAGS"):
        monkeypatch.delenv(name, raising=False)
    return folder
