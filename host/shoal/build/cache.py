"""The user's cache of generated folders: what commands that take a MODEL build and run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import shoal
from shoal import resources
from shoal.boards.board import Board
from shoal.errors import BadInput, ToolError
from shoal.plan.addresses import solver
from shoal.plan.steps import Options, Progress, silent

#: how long another process may take to make the same folder, in seconds
PATIENCE = 300

#: a folder that nobody used for this long goes when another one is made, in seconds
KEPT = 30 * 24 * 3600


def project(
    model: Path, board: Board, options: Options, progress: Progress = silent, span: tuple[int, int] | None = None
) -> Path:
    """The generated folder of this model for this board with these options, or of its operators [first, last) by
    `span`; made if it is not there yet. Planning tells `progress`. What reading and planning raise goes through."""
    from filelock import FileLock, Timeout

    try:
        source = model.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(model)) from None
    place = resources.cache() / "projects" / _name(model, source, board, options, span)
    if (place / "manifest.json").is_file():
        os.utime(place)
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{place}.lock")
        with lock.acquire(timeout=PATIENCE):
            if not (place / "manifest.json").is_file():
                _prune(place.parent)
                _generate(model, board, options, place, progress, span)
    except Timeout:
        raise ToolError(
            "another process has been making the same folder for minutes", where=str(place), advice="end it, try again"
        ) from None
    except PermissionError as error:
        raise BadInput(
            f"the cache cannot be written: {error.strerror}",
            where=str(place.parent),
            advice="set SHOAL_CACHE_DIR to a folder that you may write",
        ) from None
    return place


def _generate(
    model: Path, board: Board, options: Options, place: Path, progress: Progress, span: tuple[int, int] | None
) -> None:
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify
    from shoal.plan.chunks import chunk
    from shoal.plan.planner import plan
    from shoal.render.project import write

    graph = simplify(read(model))
    part = graph if span is None else chunk(graph, *span)
    write(plan(part, board, options, progress), model.read_bytes(), place)


def _name(model: Path, source: bytes, board: Board, options: Options, span: tuple[int, int] | None) -> str:
    """Speaks to people at its start and is unique by its end."""
    key = json.dumps(
        [
            shoal.__version__,
            resources.fingerprint(),
            solver(),
            model.stem,
            hashlib.sha256(source).hexdigest(),
            board.id,
            board.sha256,
            dataclasses.asdict(options),
            *([span] if span else []),
        ]
    )
    stem = "".join(c if c.isalnum() else "_" for c in model.stem)[:40]
    return f"{stem}-{board.id}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _prune(projects: Path) -> None:
    limit = time.time() - KEPT
    for path in projects.iterdir():
        try:
            if path.is_dir() and path.stat().st_mtime < limit:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # somebody else was faster
            continue
