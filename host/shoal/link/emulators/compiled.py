"""C sources of this folder as shared libraries for the host, compiled on first use into the user's cache."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from shoal import resources
from shoal.build import tools
from shoal.errors import ToolError

_FOLDER = Path(__file__).parent
_FLAGS = ("-std=c99", "-O2", "-shared", "-fPIC", "-fvisibility=hidden")
# on macOS, what the emulator defines is looked up when it loads the library
_SYSTEM_FLAGS = {"darwin": ("-undefined", "dynamic_lookup")}


def shared_library(source: str, headers: Sequence[str] = (), defines: Sequence[str] = ()) -> Path:
    """`source` as a shared library; `headers` are those of this folder that it includes. Raises ToolError where the
    host has no C compiler."""
    compiler = tools.require(tools.COMPILERS[""])
    command = [str(compiler), *_FLAGS, *_SYSTEM_FLAGS.get(sys.platform, ()), *(f"-D{d}" for d in defines)]
    key = hashlib.sha256("\0".join(command).encode())
    for name in (source, *headers):
        key.update((_FOLDER / name).read_bytes())
    folder = resources.cache() / "libraries"
    library = folder / f"{Path(source).stem}-{key.hexdigest()[:16]}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # several commands may be first at once: each compiles its own and the last rename wins
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / library.name
            done = subprocess.run(
                [*command, str(_FOLDER / source), "-o", str(made)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise ToolError(f"{compiler.name} cannot compile it: {done.stderr.strip()[-400:]}", where=source)
            made.replace(library)
    return library
