"""`shoal compress` from the command line."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def test_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shoal: Callable[..., Any]) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    (tmp_path / "m.keras").write_bytes(b"")
    np.savez(tmp_path / "d.npz", x=1)
    arguments = [tmp_path / "m.keras", "--data", tmp_path / "d.npz", "--board", "host", "--output", tmp_path / "o"]
    ran = shoal("compress", *arguments)
    assert ran.code == 4 and "pip install 'shoal[tensorflow]'" in ran.err
    assert not (tmp_path / "o").exists()


def test_a_network_gets_smaller_and_a_second_call_does_nothing_again(tmp_path: Path, shoal: Callable[..., Any]) -> None:
    tf = pytest.importorskip("tensorflow", reason="needs shoal's extra `tensorflow`")
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    from shoal.demo.digits import load

    train, test = load()
    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(5)
    model = tf.keras.Sequential(
        [layers.Input((28, 28, 1)), layers.Conv2D(12, 3, 2, activation="relu"), layers.Flatten(), layers.Dense(10)]
    )
    model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(True))
    model.fit(train.images[:1500], train.labels[:1500], epochs=3, verbose=0)
    model.save(tmp_path / "m.keras")
    np.savez(
        tmp_path / "d.npz",
        x_train=train.images[:1500],
        y_train=train.labels[:1500],
        x_test=test.images[:200],
        y_test=test.labels[:200],
    )
    recipe = {"schema": 1, "stages": [{"component": "prune", "share": 0.7, "epochs": 2}]}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    command = ["compress", tmp_path / "m.keras", "--data", tmp_path / "d.npz", "--board", "host", "--json"]
    command += ["--recipe", tmp_path / "recipe.json", "--output", tmp_path / "o", "--max-accuracy-loss", "20"]
    ran = shoal(*command)
    assert ran.code == 0, ran.err
    float32, int8, chosen = ran.document["stages"]
    assert (float32["name"], int8["name"], chosen["name"]) == ("float32", "int8", "prune to 70% of bytes")
    assert float32["flash_bytes"] > int8["flash_bytes"] > chosen["flash_bytes"]
    assert all(s["exact"] for s in ran.document["stages"])
    assert (tmp_path / "o" / "chosen.tflite").read_bytes() == Path(chosen["model"]).read_bytes()
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "o" / "stages").rglob("*")}
    again = shoal(*command)
    assert again.document == ran.document
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "o" / "stages").rglob("*")} == made
