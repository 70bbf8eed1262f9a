"""Where templates, firmware, board files and the PlatformIO platform lie: in the repository, or inside the wheel; and
where the user's cache lies."""

from __future__ import annotations

import functools
import hashlib
import os
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


def cache() -> Path:
    """The user's cache: SHOAL_CACHE_DIR, or the system's place for such folders."""
    named = os.environ.get("SHOAL_CACHE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("shoal", appauthor=False)


@functools.cache
def fingerprint() -> str:
    """Of shoal's own files: a changed kernel or template is another tool, whatever its version says."""
    digest = hashlib.sha256()
    for top in sorted({_PACKAGE, templates(), firmware(), boards()}):
        for path in sorted(top.rglob("*")):
            if path.suffix in (".py", ".j2", ".c", ".h", ".json", ".ld"):
                stat = path.stat()
                digest.update(f"{path.relative_to(top)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
