"""The folder that `shoal generate` writes: it stands alone."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import shoal
from shoal import boards, resources
from shoal.errors import BadInput
from shoal.plan import pages
from shoal.plan.steps import Plan
from shoal.render import manifest, model
from shoal.render.text import environment

#: folders of firmware/ that every generated folder carries
_HARNESS = ("runtime", "link")


def library(plan: Plan) -> dict[str, bytes]:
    """Path → content of what `model/` holds: the model's C and its kernels, usable in anyone's firmware."""
    names = model.context(plan, f"{plan.graph.name}.tflite")
    return _library_files(plan, names)


def _library_files(plan: Plan, names: dict[str, Any]) -> dict[str, bytes]:
    name = names["name"]
    files = {
        f"{name}.h": _text("model.h.j2", names),
        f"{name}.c": _text("model.c.j2", names),
        f"{name}_steps.h": _text("model_steps.h.j2", names),
        f"{name}_weights.h": _text("model_weights.h.j2", names),
        f"{name}_weights.c": _text("model_weights.c.j2", names),
    }
    if plan.store_bytes:
        content = pages.store(plan)
        values = names | {"store": np.frombuffer(content, np.uint8)}
        files[names["store_file"]] = _text("model_store.c.j2", values) if plan.mapped else content
    return files | _kernels(names["stems"])


def _text(template: str, names: dict[str, Any]) -> bytes:
    return environment().get_template(template).render(**names).encode()


def render(plan: Plan, source: bytes) -> dict[str, bytes]:
    """Path in the folder → content. `source` is the model file's bytes. Same input, same bytes."""
    names = model.context(plan, f"{plan.graph.name}.tflite")
    name = names["name"]
    from shoal.render import platformio

    host = boards.load("host")
    files = {f"model/{path}": content for path, content in _library_files(plan, names).items()}
    files |= {
        "firmware/image.c": _text("image.c.j2", names),
        "firmware/size_with.c": _text("size_with.c.j2", names),
        "firmware/size_without.c": _text("size_without.c.j2", names),
        "library.json": _library_json(name, plan),
        "README.md": _text("project_readme.md.j2", names),
        f"{name}.tflite": source,
    }
    files |= _harness({plan.board.hal, host.hal})
    files |= {f"boards/{b.id}.json": b.path.read_bytes() for b in (plan.board, host)}
    files |= _tree(resources.platform(), "platform")
    files |= platformio.files(plan.board, host, plan.options, node=plan.seat is not None)
    described = manifest.describe(plan, f"{name}.tflite", len(source))
    described["files"] = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())}
    files[manifest.FILE] = manifest.dump(described)
    return files


def write(plan: Plan, source: bytes, output: Path) -> None:
    """Writes the folder in one go (`replaced`)."""
    with replaced(output, manifest.FILE) as made:
        for path, content in render(plan, source).items():
            target = made / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


@contextmanager
def replaced(output: Path, marker: str) -> Iterator[Path]:
    """An empty folder beside `output`, which takes its place once it is filled. An earlier one, which holds the file
    `marker`, is replaced; any other that is not empty is left alone (BadInput)."""
    if output.exists():
        if not output.is_dir():
            raise BadInput("is a file", where=str(output), advice="name a folder")
        if any(output.iterdir()) and not (output / marker).exists():
            raise BadInput(
                "is not empty and was not made by shoal", where=str(output), advice="name another folder, or empty it"
            )
    output = output.absolute()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise BadInput(
            f"cannot be written: {error.strerror}", where=str(output), advice="name another folder"
        ) from None
    try:
        yield made
        umask = os.umask(0)
        os.umask(umask)
        made.chmod(0o777 & ~umask)
        if output.exists():
            shutil.rmtree(output)
        made.rename(output)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _tree(folder: Path, prefix: str) -> dict[str, bytes]:
    return {
        f"{prefix}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _kernels(stems: list[str]) -> dict[str, bytes]:
    """The headers of these kernels and those that they include, transitively."""
    folder = resources.firmware() / "kernels"
    wanted = [f"{stem}.h" for stem in stems]
    found: dict[str, bytes] = {}
    while wanted:
        file = wanted.pop()
        if f"kernels/{file}" in found:
            continue
        content = (folder / file).read_bytes()
        found[f"kernels/{file}"] = content
        for line in content.decode().splitlines():
            if line.startswith('#include "'):
                wanted.append(line.split('"')[1])
    return found


def _harness(hals: set[str]) -> dict[str, bytes]:
    firmware = resources.firmware()
    files = {"firmware/main.c": (firmware / "main.c").read_bytes()}
    for folder in _HARNESS:
        files |= _tree(firmware / folder, f"firmware/{folder}")
    hal = firmware / "hal"
    files |= {f"firmware/hal/{p.name}": p.read_bytes() for p in sorted(hal.glob("*.[ch]"))}
    for name in sorted(hals | shared_hals(hals)):
        files |= _tree(hal / name, f"firmware/hal/{name}")
    return files


def shared_hals(hals: set[str]) -> set[str]:
    """Folders that these HALs include from, transitively."""
    hal = resources.firmware() / "hal"
    wanted = sorted(hals)
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        found.add(name)
        for path in (hal / name).rglob("*.[ch]"):
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.startswith('#include "../') and line.count("/") == 2:
                    wanted += {line.split("/")[1]} - found
    return found - hals


def _library_json(name: str, plan: Plan) -> bytes:
    """library.json: makes the folder a PlatformIO library of the model alone."""
    return (
        json.dumps(
            {
                "name": name,
                "version": shoal.__version__,
                "description": f"{plan.name}, a neural network in C, generated by shoal",
                "frameworks": "*",
                "platforms": "*",
                "build": {"srcDir": "model", "includeDir": "model"},
            },
            indent=2,
        )
        + "\n"
    ).encode()
