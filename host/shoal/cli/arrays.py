"""Arrays in files: X as rows for a model's inputs, Y as rows of its outputs."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shoal.errors import BadInput
from shoal.operators.base import Operator
from shoal.tensors import Array, Quantization, Tensor

#: a zip entry's time: the same arrays make the same bytes
_EPOCH = (1980, 1, 1, 0, 0, 0)


def tensor_of(described: Mapping[str, Any], index: int = 0) -> Tensor:
    """A manifest's input or output as a tensor."""
    scale = described["scale"]
    quantization = None if scale is None else Quantization((scale,), (described["zero_point"],))
    return Tensor(index, described["name"], tuple(described["shape"]), described["dtype"], quantization)


def load_rows(path: Path, inputs: Sequence[Tensor]) -> list[Array]:
    """The rows in a .npy or .npz file: for each of the model's inputs an array (N, *shape) of its dtype, all with the
    same N ≥ 1. A model with several inputs takes a .npz with one array per tensor name. Raises BadInput."""
    found = _read(path)
    if isinstance(found, dict):
        arrays = _by_name(path, found, inputs)
    elif len(inputs) == 1:
        arrays = [found]
    else:
        names = ", ".join(t.name for t in inputs)
        raise BadInput(
            f"the model has {len(inputs)} inputs", where=str(path), advice=f"give a .npz with arrays named {names}"
        )
    rows = [to_rows(array, tensor, str(path)) for array, tensor in zip(arrays, inputs, strict=True)]
    counts = [len(r) for r in rows]
    if len(set(counts)) > 1:
        each = ", ".join(f"{t.name} has {n}" for t, n in zip(inputs, counts, strict=True))
        raise BadInput(f"the inputs have different numbers of rows: {each}", where=str(path))
    return rows


def _read(path: Path) -> Array | dict[str, Array]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        # NumPy's own advice for pickles is to load them unsafely
        why = "it holds no plain array" if "pickle" in str(error) else error
        raise BadInput(
            f"is no array file that NumPy reads: {why}", where=str(path), advice="write it by numpy.save"
        ) from None


def _by_name(path: Path, found: dict[str, Array], inputs: Sequence[Tensor]) -> list[Array]:
    if len(inputs) == 1 and len(found) == 1:
        return list(found.values())
    missing = [t.name for t in inputs if t.name not in found]
    if missing:
        raise BadInput(
            f"has no array {', '.join(missing)}",
            where=str(path),
            advice=f"it has {', '.join(found) or 'none'}; name them {', '.join(t.name for t in inputs)}",
        )
    return [found[t.name] for t in inputs]


def to_rows(x: Array, tensor: Tensor, where: str) -> Array:
    """`x` as (N, *shape) of the tensor's dtype. One row may lack its first axis; the axes of a row do not matter, their
    size does. Integers must fit; floats are rounded to float32 and, for a quantized tensor, quantized as TFLM's
    QUANTIZE does. Raises BadInput."""
    converted = _convert(_shape(x, tensor, where), tensor, where)
    return np.ascontiguousarray(converted, tensor.dtype)


def _shape(x: Array, tensor: Tensor, where: str) -> Array:
    shape = "×".join(map(str, tensor.shape)) or "one value"
    if x.size == 0:
        raise BadInput("holds no rows", where=where, advice=f"a row is {shape}")
    if x.ndim and x.size == x.shape[0] * tensor.elements:
        rows = x.shape[0]
    elif x.size == tensor.elements:
        rows = 1
    else:
        raise BadInput(
            f"an array of shape {x.shape} does not hold rows of input {tensor.name}",
            where=where,
            advice=f"a row has {tensor.elements} values ({shape}), the first axis counts the rows",
        )
    return x.reshape(rows, *tensor.shape)


def _convert(x: Array, tensor: Tensor, where: str) -> Array:
    if x.dtype.kind in "bui":
        return _from_integers(x, tensor, where)
    if x.dtype.kind == "f":
        return _from_floats(x, tensor, where)
    raise BadInput(f"values of dtype {x.dtype} are no numbers that a model takes", where=where)


def _from_integers(x: Array, tensor: Tensor, where: str) -> Array:
    if tensor.dtype == "float32":
        fits = x.astype(np.float32).astype(np.float64) == x
        allowed = "whole numbers that float32 holds exactly"
    else:
        info = np.iinfo(tensor.dtype)
        fits = (x >= info.min) & (x <= info.max)
        allowed = f"{info.min} … {info.max}"
    if not np.all(fits):
        place = _first(~np.asarray(fits))
        raise BadInput(
            f"value {x[place]} in row {place[0]} does not fit input {tensor.name}, which is {tensor.dtype} ({allowed})",
            where=where,
            advice="give values in the model's own dtype, or real numbers as floats to have them quantized",
        )
    return x


def _from_floats(x: Array, tensor: Tensor, where: str) -> Array:
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    if not np.all(np.isfinite(single)):
        place = _first(~np.isfinite(single))
        raise BadInput(f"value {x[place]} in row {place[0]} is not a finite float32", where=where)
    if tensor.dtype == "float32":
        return single
    if tensor.quantization is None:
        raise BadInput(
            f"input {tensor.name} is {tensor.dtype} and has no quantization: floats mean nothing to it",
            where=where,
            advice=f"give {tensor.dtype} values",
        )
    return _run_operator("quantize", single, tensor, np.dtype(tensor.dtype))


def dequantize(rows: Array, tensor: Tensor) -> Array:
    """Quantized rows as float32, as TFLM's DEQUANTIZE does; rows that have no quantization stay as they are."""
    if tensor.quantization is None or tensor.dtype == "float32":
        return rows
    return _run_operator("dequantize", rows, tensor, np.dtype(np.float32))


def _run_operator(name: str, rows: Array, tensor: Tensor, to: np.dtype[Any]) -> Array:
    """Runs the exact reference of QUANTIZE or DEQUANTIZE on all rows at once; `tensor` is its quantized side."""
    from shoal.operators import kind

    quantized = Tensor(0, tensor.name, rows.shape, tensor.dtype, tensor.quantization)
    real = Tensor(1, tensor.name, rows.shape, "float32")
    source, result = (real, quantized) if to == np.dtype(tensor.dtype) else (quantized, real)
    operator = Operator(0, name, (source.index,), (result.index,), None)
    return kind(name).reference(operator, {0: quantized, 1: real}, [rows])[0]


def _first(where: Array) -> tuple[int, ...]:
    """The index of the first true value."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(where)), where.shape))


def check_output(path: Path, outputs: int) -> None:
    """Refuses a place where the results cannot be saved, before anything runs. Raises BadInput."""
    wanted = {".npy", ".npz"} if outputs == 1 else {".npz"}
    if path.suffix not in wanted:
        raise BadInput(
            f"the results of {outputs} output{'s' * (outputs > 1)} are saved as {' or '.join(sorted(wanted))}",
            where=str(path),
            advice=f"name it {path.stem}{min(wanted)}",
        )
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        why = "is a folder" if path.is_dir() else "its folder does not exist or cannot be written"
        raise BadInput(why, where=str(path), advice="name a file in a folder of yours")


def save_rows(path: Path, rows: Sequence[Array], outputs: Sequence[Tensor]) -> None:
    """Saves (N, *shape) arrays, a .npy or one per tensor name in a .npz, whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        made = Path(file.name)
        try:
            if path.suffix == ".npy":
                np.save(file, rows[0])
            else:
                _save_zip(file, dict(zip(_distinct([t.name for t in outputs]), rows, strict=True)))
            file.flush()
            umask = os.umask(0)
            os.umask(umask)
            made.chmod(0o666 & ~umask)
            made.replace(path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise


def _save_zip(file: Any, arrays: Mapping[str, Array]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, those that occur again or are empty told apart by their place."""
    return [n if n and names.count(n) == 1 else f"{n or 'output'}_{i}" for i, n in enumerate(names)]
