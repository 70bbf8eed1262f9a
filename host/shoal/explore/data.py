"""Data that a network is compressed with: samples and labels to train on, to choose by, and to report on."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shoal.errors import BadInput
from shoal.tensors import Array

MEMBERS = ("x_train", "y_train", "x_test", "y_test")

#: of the training samples, held out to choose by
VALIDATION = 0.15


@dataclass(frozen=True)
class Data:
    """Float32 samples (N, *input shape) and int64 labels (N,). `x_validation` is a part of what was given to train on,
    drawn by seed: every choice is made on it. The test samples are for what is reported, and choose nothing."""

    x_train: Array
    y_train: Array
    x_validation: Array
    y_validation: Array
    x_test: Array
    y_test: Array
    sha256: str

    @property
    def classes(self) -> int:
        return int(max(self.y_train.max(), self.y_test.max(), self.y_validation.max())) + 1


def load(path: Path, shape: tuple[int, ...], classes: int, seed: int = 0) -> Data:
    """From an .npz with `x_train`, `y_train`, `x_test` and `y_test`, for a network that takes samples of `shape` and
    tells so many classes apart. BadInput where it is not that."""
    arrays = _read(path)
    missing = [m for m in MEMBERS if m not in arrays]
    if missing:
        raise BadInput(
            f"has no array {', '.join(missing)}",
            where=str(path),
            advice=f"numpy.savez('data.npz', {', '.join(f'{m}=…' for m in MEMBERS)})",
        )
    parts = {}
    for part in ("train", "test"):
        x = _samples(arrays[f"x_{part}"], shape, f"{path}, x_{part}")
        y = _labels(arrays[f"y_{part}"], classes, f"{path}, y_{part}")
        if len(x) != len(y):
            raise BadInput(f"{len(x)} samples and {len(y)} labels", where=f"{path}, {part}")
        parts[part] = x, y
    x, y = parts["train"]
    held = round(len(x) * VALIDATION)
    if not held:
        raise BadInput(f"{len(x)} samples are too few to train on", where=f"{path}, x_train", advice="give 100 or more")
    order = np.random.default_rng(seed).permutation(len(x))
    chosen, rest = np.sort(order[:held]), np.sort(order[held:])
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in (x, y, *parts["test"]))).hexdigest()
    return Data(x[rest], y[rest], x[chosen], y[chosen], *parts["test"], digest)


def _read(path: Path) -> Mapping[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as loaded:
            if isinstance(loaded, np.ndarray):
                raise ValueError("it holds one array")
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise BadInput(
            f"is no .npz file that NumPy reads: {error}",
            where=str(path),
            advice=f"write it by numpy.savez with {', '.join(MEMBERS)}",
        ) from None


def _samples(x: Array, shape: tuple[int, ...], where: str) -> Array:
    if x.dtype.kind not in "buif":
        raise BadInput(f"values of dtype {x.dtype}", where=where, advice="give numbers, as the network takes them")
    if not len(x) or (x.shape[1:] != shape and x.size != len(x) * int(np.prod(shape))):
        raise BadInput(
            f"an array of shape {x.shape} where (N, {', '.join(map(str, shape))}) is due",
            where=where,
            advice="give samples as the network takes them, scaled as in its training",
        )
    values = np.ascontiguousarray(x.reshape(len(x), *shape), np.float32)
    if not np.isfinite(values).all():
        sample = int(np.argwhere(~np.isfinite(values).reshape(len(values), -1).all(axis=1))[0, 0])
        raise BadInput("a value that is not finite", where=f"{where}, sample {sample}", advice="clean the data")
    return values


def _labels(y: Array, classes: int, where: str) -> Array:
    if y.ndim == 2 and y.shape[1] == classes > 1:
        y = y.argmax(axis=1)
    y = y.reshape(-1)
    if y.dtype.kind not in "bui" and not (y.dtype.kind == "f" and np.all(y == np.round(y))):
        raise BadInput(f"labels of dtype {y.dtype}", where=where, advice="give the numbers of the classes")
    labels = y.astype(np.int64)
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise BadInput(
            f"labels from {labels.min()} to {labels.max()} for a network of {classes} classes",
            where=where,
            advice="number classes from 0 on, as the network's outputs are",
        )
    return labels
