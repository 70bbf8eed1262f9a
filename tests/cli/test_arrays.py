"""X and Y: shapes, dtypes, ranges, quantization, files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shoal.cli import arrays
from shoal.errors import BadInput
from shoal.tensors import Quantization, Tensor

INT8 = Tensor(0, "x", (1, 7, 5, 1), "int8", Quantization((0.5,), (3,)))
FLOAT = Tensor(0, "x", (1, 7, 5, 1), "float32")


@pytest.mark.parametrize("shape", [(4, 35), (4, 7, 5), (4, 7, 5, 1), (4, 1, 7, 5, 1), (4, 35, 1)])
def test_rows_of_any_shape_of_the_right_size(shape):
    x = np.arange(140, dtype=np.int64).reshape(shape) % 100
    rows = arrays.to_rows(x, INT8, "x.npy")
    assert rows.shape == (4, 1, 7, 5, 1) and rows.dtype == np.int8
    assert np.array_equal(rows.reshape(-1), x.reshape(-1))


@pytest.mark.parametrize("shape", [(35,), (7, 5), (7, 5, 1), (1, 7, 5, 1), (1, 35)])
def test_one_row_may_lack_its_axis(shape):
    assert arrays.to_rows(np.ones(shape, np.int8), INT8, "x.npy").shape == (1, 1, 7, 5, 1)


def test_an_input_of_one_value_counts_rows_by_its_first_axis():
    one = Tensor(0, "x", (1, 1), "int8", Quantization((1.0,), (0,)))
    assert len(arrays.to_rows(np.zeros(9, np.int8), one, "x")) == 9
    assert len(arrays.to_rows(np.int8(4), one, "x")) == 1


@pytest.mark.parametrize("shape", [(34,), (70,), (5, 7, 2), (0, 35), (0,), ()])
def test_other_sizes_are_refused(shape):
    with pytest.raises(BadInput):
        arrays.to_rows(np.ones(shape, np.int8), INT8, "x.npy")


@pytest.mark.parametrize("value", [-129, 128, 255, 2**40])
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_integers_that_do_not_fit_are_refused_not_clipped(value, dtype):
    x = np.zeros((2, 35), np.int64)
    x[1, 30] = value
    if dtype is np.int64:
        with pytest.raises(BadInput, match=f"value {value} in row 1"):
            arrays.to_rows(x, INT8, "x.npy")
    else:
        assert arrays.to_rows(x.astype(dtype), INT8, "x.npy")[1].reshape(-1)[30] in (-128, 127)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, np.bool_])
def test_integers_of_other_dtypes_are_taken_if_they_fit(dtype):
    assert arrays.to_rows(np.ones(35, dtype), INT8, "x").max() == 1
    assert arrays.to_rows(np.ones(35, dtype), FLOAT, "x").dtype == np.float32


def test_integers_that_float32_does_not_hold_are_refused():
    with pytest.raises(BadInput):
        arrays.to_rows(np.full(35, 2**24 + 1), FLOAT, "x")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("tensor", [INT8, FLOAT])
def test_floats_must_be_finite(value, tensor):
    with pytest.raises(BadInput, match="finite"):
        arrays.to_rows(np.full(35, value), tensor, "x")


@pytest.mark.parametrize("dtype", [np.complex64, "U3", "M8[s]"])
def test_what_is_no_number_is_refused(dtype):
    with pytest.raises(BadInput):
        arrays.to_rows(np.zeros(35, dtype), INT8, "x")


def test_float64_is_rounded_to_float32_before_it_is_quantized():
    # between the two float32 neighbours of 0.25, the halfway point of a scale of 0.5: only the rounded one is a tie
    just_below = np.nextafter(0.25, 0)
    assert np.float32(just_below) == np.float32(0.25)
    rows = arrays.to_rows(np.full(35, just_below), INT8, "x")
    assert np.all(rows == 3 + 1)


@given(hnp.arrays(np.int8, (3, 1, 7, 5, 1)))
def test_dequantize_and_quantize_give_the_bytes_back(rows):
    real = arrays.dequantize(rows, INT8)
    assert real.dtype == np.float32 and np.array_equal(real, (rows.astype(np.float32) - 3) * np.float32(0.5))
    assert np.array_equal(arrays.to_rows(real, INT8, "x"), rows)


def test_files_go_round(tmp_path):
    x = np.arange(70, dtype=np.int8).reshape(2, 1, 7, 5, 1)
    path = tmp_path / "x.npy"
    arrays.save_rows(path, [x], [INT8])
    assert np.array_equal(arrays.load_rows(path, [INT8])[0], x)
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


def test_several_arrays_by_tensor_name(tmp_path):
    a, b = Tensor(0, "a", (1, 2), "int8"), Tensor(1, "b/c:0", (3,), "float32")
    path = tmp_path / "x.npz"
    x, y = np.ones((4, 1, 2), np.int8), np.zeros((4, 3), np.float32)
    arrays.save_rows(path, [x, y], [a, b])
    first = path.read_bytes()
    loaded = arrays.load_rows(path, [b, a])
    assert np.array_equal(loaded[0], y) and np.array_equal(loaded[1], x)
    arrays.save_rows(path, [x, y], [a, b])
    assert path.read_bytes() == first


def test_missing_names_and_unequal_counts_are_refused(tmp_path):
    a, b = Tensor(0, "a", (1, 2), "int8"), Tensor(1, "b", (3,), "int8")
    np.savez(tmp_path / "x.npz", a=np.ones((4, 2), np.int8))
    with pytest.raises(BadInput, match="no array b"):
        arrays.load_rows(tmp_path / "x.npz", [a, b])
    np.savez(tmp_path / "y.npz", a=np.ones((4, 2), np.int8), b=np.ones((5, 3), np.int8))
    with pytest.raises(BadInput, match="a has 4, b has 5"):
        arrays.load_rows(tmp_path / "y.npz", [a, b])
    np.save(tmp_path / "z.npy", np.ones(2, np.int8))
    with pytest.raises(BadInput, match="2 inputs"):
        arrays.load_rows(tmp_path / "z.npy", [a, b])


@given(st.binary(max_size=200))
def test_garbage_is_no_array(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("junk") / "x.npy"
    for content in (junk, b"\x93NUMPY\x01\x00" + junk, b"PK\x03\x04" + junk):
        path.write_bytes(content)
        with pytest.raises(BadInput):
            arrays.load_rows(path, [INT8])


def test_places_that_cannot_hold_results_are_refused_early(tmp_path):
    for path, outputs in (
        (tmp_path / "y.txt", 1),
        (tmp_path / "y.npy", 2),
        (tmp_path / "missing" / "y.npy", 1),
    ):
        with pytest.raises(BadInput):
            arrays.check_output(path, outputs)
    (tmp_path / "d.npy").mkdir()
    with pytest.raises(BadInput, match="folder"):
        arrays.check_output(tmp_path / "d.npy", 1)
    arrays.check_output(tmp_path / "y.npy", 1)
    assert list(tmp_path.iterdir()) == [tmp_path / "d.npy"]


def test_pickles_are_refused_without_advice_to_load_them(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}, 1], object), allow_pickle=True)
    (tmp_path / "y.npy").write_text("no array at all")
    for name in ("x.npy", "y.npy"):
        with pytest.raises(BadInput, match="no plain array"):
            arrays.load_rows(tmp_path / name, [Tensor(0, "a", (1, 2), "int8", Quantization((0.5,), (0,)))])
