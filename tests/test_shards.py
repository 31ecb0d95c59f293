"""Shards written row by row equal those that Zarr writes whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickle_core import arrays
from tickle_core.shards import ShardWriter


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 70),
    shard_rows=st.integers(1, 40),
    dtype=st.sampled_from(["float16", "float32", "uint16"]),
    piece=st.integers(1, 40),
    seed=st.integers(0, 9),
)
def test_the_bytes_are_those_of_zarr(tmp_path_factory, count, shard_rows, dtype, piece, seed):
    folder = tmp_path_factory.mktemp("zarr")
    # 2**17 bytes a row, so that a shard has several chunks.
    row = (2**16 // np.dtype(dtype).itemsize, 2)
    rows = np.random.default_rng(seed).integers(0, 9, (count, *row)).astype(dtype)
    fill = 7 if dtype == "uint16" else float("nan")
    whole = arrays.create(folder / "whole", rows.shape, dtype, shard_rows, fill)
    pieces = arrays.create(folder / "pieces", rows.shape, dtype, shard_rows, fill)
    for shard in range(arrays.shard_count(whole)):
        content = rows[arrays.shard_rows(whole, shard)]
        arrays.write_shard(whole, shard, content)
        writer = ShardWriter(pieces, shard)
        for start in range(0, len(content), piece):
            assert not arrays.shard_path(pieces, shard).exists()
            writer.append(content[start : start + piece])
        assert writer.rows_left == 0
        assert (
            arrays.shard_path(pieces, shard).read_bytes()
            == arrays.shard_path(whole, shard).read_bytes()
        )
    assert not list(folder.rglob("*.partial"))


def test_too_many_rows_are_refused(tmp_path):
    array = arrays.create(tmp_path / "a", (6, 2), "float32", 4, float("nan"))
    writer = ShardWriter(array, 1)  # rows 4 and 5
    with pytest.raises(ValueError, match="2 rows left, not 3"):
        writer.append(np.zeros((3, 2), "float32"))
