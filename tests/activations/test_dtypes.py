"""Half precisions: what is stored is the nearest value that there is, or nothing at all."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from tickle_core.activations import extraction
from tickle_core.activations.extraction import Target
from tickle_core.activations.store import open_store
from tickle_core.errors import TickleError
from tickle_core.models.classifier import Classifier
from tickle_core.params.extract import Extract

PATTERNS = np.arange(2**16, dtype=np.uint16)
LARGEST_BFLOAT16 = float(np.array([0x7F7F0000], np.uint32).view(np.float32)[0])


class Emitting(nn.Module):
    """A layer whose activations are given."""

    def __init__(self, values):
        super().__init__()
        self.emit = nn.Identity()
        self.values = torch.from_numpy(values)

    def forward(self, x):
        return self.emit(self.values.expand(len(x), -1))[:, :2]


def stored(path, values, dtype):
    """The store of one image whose activations are the values, (d,) float32."""
    card = {
        "class_names": ["a", "b"],
        "preprocessing": {"mean": [0.0], "std": [1.0]},
        "layers": {"emit": {"shape": [len(values)], "layout": "NC", "grid": None, "prefix": []}},
    }
    pixels = np.zeros((1, 2, 2, 1), np.uint8)
    images = SimpleNamespace(
        images=pixels,
        read=lambda rows: pixels[rows],
        table=pd.DataFrame({"label": [0], "split": ["test"]}),
    )
    extraction.extract(
        Classifier(Emitting(values).eval(), card, torch.device("cpu")),
        images,
        np.arange(1),
        [Target("probe", "emit", path)],
        Extract(train_images=None, test_images=None, batch_size=1, dtype=dtype, shard_mib=1),
    )
    return open_store(path)


def read_back(path, values, dtype):
    (_, tokens), *_ = stored(path, values, dtype).token_blocks(np.arange(1))
    return tokens[0, 0]


def any_floats():
    """Finite float32 of every exponent, and every halfway point between two bfloat16."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 2**32, 200_000, dtype=np.uint32)
    halfway = PATTERNS.astype(np.uint32) << 16 | 0x8000
    beside = np.concatenate([halfway - 1, halfway + 1])
    floats = np.concatenate([drawn, halfway, beside]).view(np.float32)
    return floats[np.isfinite(floats)]


def test_bfloat16_reads_as_torch_reads_it(tmp_path):
    store = stored(tmp_path / "a.zarr", np.ones(4, np.float32), "bfloat16")
    assert store.tokens.dtype == np.uint16
    assert store.attributes["dtype"] == "bfloat16"
    expected = torch.from_numpy(PATTERNS.view(np.int16)).view(torch.bfloat16).float().numpy()
    decoded = store.decode(PATTERNS)
    np.testing.assert_array_equal(decoded, expected)
    np.testing.assert_array_equal(np.signbit(decoded), np.signbit(expected))


def test_bfloat16_rounds_to_the_nearest_and_ties_to_even(tmp_path):
    values = any_floats()
    values = values[np.abs(values) <= LARGEST_BFLOAT16]
    bits = values.view(np.uint32).astype(np.uint64)
    nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16
    read = read_back(tmp_path / "a.zarr", values, "bfloat16")
    np.testing.assert_array_equal(read.view(np.uint32), nearest)


def test_float16_rounds_as_numpy_does(tmp_path):
    values = any_floats()
    values = values[np.abs(values) <= 65504]
    read = read_back(tmp_path / "a.zarr", values, "float16")
    np.testing.assert_array_equal(read.view(np.uint16), values.astype(np.float16).view(np.uint16))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_finite_half_survives(tmp_path, dtype):
    """Subnormals and both zeros included."""
    if dtype == "float16":
        values = PATTERNS.view(np.float16).astype(np.float32)
    else:
        values = (PATTERNS.astype(np.uint32) << 16).view(np.float32)
    values = values[np.isfinite(values)]
    read = read_back(tmp_path / "a.zarr", values, dtype)
    assert len(values) > 63_000
    np.testing.assert_array_equal(read.astype(np.float32).view(np.uint32), values.view(np.uint32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_what_is_not_finite_is_refused_with_the_layers_name(tmp_path, dtype, value):
    values = np.array([1, value, 2], np.float32)
    with pytest.raises(TickleError, match=r"layer probe \(emit\)"):
        stored(tmp_path / "a.zarr", values, dtype)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("dtype", "most"), [("float16", 65504), ("bfloat16", LARGEST_BFLOAT16)])
def test_the_largest_value_fits_and_the_next_is_refused(tmp_path, dtype, most, sign):
    largest = np.array([0, sign * most], np.float32)
    np.testing.assert_array_equal(read_back(tmp_path / "a.zarr", largest, dtype), largest)
    beyond = np.nextafter(largest, np.float32(sign * np.inf))
    with pytest.raises(TickleError, match=rf"layer probe \(emit\).*{dtype}"):
        stored(tmp_path / "b.zarr", beyond, dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_what_a_format_has_too_few_values_for_is_refused(tmp_path, dtype):
    """A layer behind a LayerScale of 1e-7."""
    values = 1e-7 * np.random.default_rng(0).normal(size=1000).astype(np.float32)
    if dtype == "float16":
        assert len(np.unique(values.astype(np.float16))) < 20
        with pytest.raises(TickleError, match=r"layer probe \(emit\) are at most .* to bfloat16"):
            stored(tmp_path / "a.zarr", values, dtype)
    else:
        read = read_back(tmp_path / "a.zarr", values, dtype)
        np.testing.assert_allclose(read, values, rtol=2**-8)


def test_a_few_small_values_among_others_are_no_reason(tmp_path):
    values = np.array([1e-9, 1e-8, 0.5, -0.25], np.float32)
    read = read_back(tmp_path / "a.zarr", values, "float16")
    np.testing.assert_array_equal(read[2:], values[2:])
