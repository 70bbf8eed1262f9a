"""Data for compression: what is taken, split and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shoal.errors import BadInput
from shoal.explore.data import VALIDATION, load


def write(path: Path, **changes: Any) -> Path:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "x_train": rng.random((200, 6, 6, 1), np.float32),
        "y_train": rng.integers(0, 3, 200),
        "x_test": rng.random((40, 6, 6, 1), np.float32),
        "y_test": rng.integers(0, 3, 40),
    }
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return path


def test_validation_is_a_part_of_the_training_samples_by_seed(tmp_path: Path) -> None:
    path = write(tmp_path / "d.npz")
    first, again, other = (load(path, (6, 6, 1), 3, seed) for seed in (1, 1, 2))
    assert len(first.x_validation) == round(200 * VALIDATION)
    assert len(first.x_train) + len(first.x_validation) == 200
    np.testing.assert_array_equal(first.x_validation, again.x_validation)
    assert not np.array_equal(first.x_validation, other.x_validation)
    parts = np.concatenate([first.x_train, first.x_validation]).reshape(200, -1)
    with np.load(path) as given:
        assert set(map(bytes, parts)) == set(map(bytes, given["x_train"].reshape(200, -1)))


def test_takes_rows_without_channels_and_labels_as_vectors(tmp_path: Path) -> None:
    flat = np.zeros((200, 36), np.uint8)
    path = write(tmp_path / "d.npz", x_train=flat, y_train=np.eye(3)[np.arange(200) % 3])
    data = load(path, (6, 6, 1), 3)
    assert data.x_train.shape[1:] == (6, 6, 1) and data.x_train.dtype == np.float32
    assert data.classes == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_test": None}, "has no array y_test"),
        ({"x_train": np.zeros((200, 5, 6, 1))}, "where (N, 6, 6, 1) is due"),
        ({"x_train": np.full((200, 6, 6, 1), np.nan)}, "x_train, sample 0: a value that is not finite"),
        ({"y_train": np.full(200, 3)}, "labels from 3 to 3 for a network of 3 classes"),
        ({"y_train": np.zeros(199, int)}, "200 samples and 199 labels"),
        ({"y_train": np.full(200, 0.5)}, "labels of dtype float64"),
        ({"x_train": np.zeros((2, 6, 6, 1)), "y_train": np.zeros(2, int)}, "2 samples are too few"),
        ({"x_train": np.zeros((0, 6, 6, 1)), "y_train": np.zeros(0, int)}, "an array of shape (0, 6, 6, 1)"),
    ],
)
def test_refuses(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as caught:
        load(write(tmp_path / "d.npz", **changes), (6, 6, 1), 3)
    assert words in str(caught.value)


def test_refuses_what_is_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(BadInput, match=r"is no \.npz file"):
        load(path, (6, 6, 1), 3)
