"""The cache of generated folders: one per model, board and options, made once, whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shoal import boards, resources
from shoal.build import cache
from shoal.errors import BadInput
from shoal.plan.steps import Options
from tflite_builder import ModelBuilder

BOARD = boards.load("netduinoplus2")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    builder = ModelBuilder()
    x = builder.tensor((1, 4), scale=0.5, zero_point=0)
    y = builder.tensor((1, 4), scale=0.25, zero_point=3)
    builder.operator("QUANTIZE", [x], [y])
    path = tmp_path / "requantize.tflite"
    path.write_bytes(builder.build(inputs=[x], outputs=[y]))
    return path


def test_the_same_question_gives_the_same_folder(model: Path) -> None:
    folder = cache.project(model, BOARD, Options())
    made = (folder / "manifest.json").stat().st_mtime_ns
    assert cache.project(model, BOARD, Options()) == folder
    assert (folder / "manifest.json").stat().st_mtime_ns == made
    assert json.loads((folder / "manifest.json").read_text())["board"] == BOARD.id


def test_another_model_board_or_option_is_another_folder(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    changed = other / model.name
    changed.write_bytes(model.read_bytes() + b"\0")
    folders = {
        cache.project(model, BOARD, Options()),
        cache.project(changed, BOARD, Options()),
        cache.project(model, boards.load("esp32c3"), Options()),
        cache.project(model, BOARD, Options(prefer="size")),
        cache.project(model, dataclasses.replace(BOARD, sha256="0" * 64), Options()),
    }
    assert len(folders) == 5


def test_several_at_once_make_one(model: Path) -> None:
    with ThreadPoolExecutor() as pool:
        folders = set(pool.map(lambda _: cache.project(model, BOARD, Options()), range(4)))
    (folder,) = folders
    assert sorted(p.name for p in folder.parent.iterdir()) == sorted([folder.name, f"{folder.name}.lock"])


def test_a_model_that_cannot_be_generated_leaves_no_folder(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"TFL3" * 10)
    with pytest.raises(BadInput):
        cache.project(broken, BOARD, Options())
    assert not [p for p in (resources.cache() / "projects").iterdir() if p.is_dir()]


def test_what_nobody_used_for_long_goes(model: Path) -> None:
    old = cache.project(model, BOARD, Options())
    long_ago = time.time() - cache.KEPT - 60
    os.utime(old, (long_ago, long_ago))
    cache.project(model, BOARD, Options(prefer="size"))
    assert not old.exists()


def test_a_missing_model_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        cache.project(tmp_path / "none.tflite", BOARD, Options())
