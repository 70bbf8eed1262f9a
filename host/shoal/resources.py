"""Where templates, firmware, board files and the PlatformIO platform lie: in the repository, or inside the wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder that holds `templates`, `firmware` and `boards`."""
    repository = _PACKAGE.parent.parent
    if (repository / "templates").is_dir() and (repository / "firmware").is_dir():
        return repository
    return _PACKAGE / "data"


def templates() -> Path:
    return root() / "templates"


def firmware() -> Path:
    return root() / "firmware"


def boards() -> Path:
    return root() / "boards"


def platform() -> Path:
    """The in-tree PlatformIO platform."""
    return firmware() / "platform"
