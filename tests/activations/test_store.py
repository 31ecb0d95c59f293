"""The activation store: layout, resuming, damage, formats."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickle_core import arrays
from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.errors import TickleError

POSITIONS, CHANNELS, CLASSES, SHARD = 6, 5, 3, 8


def make(path, count=30, dtype="float16", shard_rows=SHARD):
    layout = writer.Layout(POSITIONS, CHANNELS, CLASSES, [], [2, 3], dtype, shard_rows)
    ids = np.arange(count) * 2
    writer.create_store(path, layout, ids, ids % CLASSES, ids >= 40)
    return writer.StoreWriter(path)


def content(count=30):
    rng = np.random.default_rng(0)
    return (
        rng.random((count, CHANNELS), dtype=np.float32),
        rng.random((count, CLASSES), dtype=np.float32),
        rng.random((count, POSITIONS, CHANNELS)).astype(np.float16),
    )


def fill(store, rows, batch=4, stop=None):
    for start in range(0, stop or len(rows[0]), batch):
        if store.lacks(start):
            store.add(start, *(part[start : start + batch] for part in rows))


def everything(path: Path):
    return {p.relative_to(path): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_the_content_is_told_by_what_passes_with_the_tokens(tmp_path):
    first, same, other = (tmp_path / name for name in ("a.zarr", "b.zarr", "c.zarr"))
    for path in (first, same):
        fill(make(path), content())
    pooled, logits, tokens = content()
    pooled[-1, -1] += 0.5
    fill(make(other), (pooled, logits, tokens))
    assert open_store(first).content() == open_store(same).content()
    assert open_store(first).content() != open_store(other).content()


def test_what_is_written_is_read(tmp_path):
    pooled, logits, tokens = content()
    writing = make(tmp_path / "a.zarr")
    fill(writing, (pooled, logits, tokens))
    store = open_store(tmp_path / "a.zarr")
    np.testing.assert_array_equal(store.pooled(), pooled)
    np.testing.assert_array_equal(store.logits(), logits)
    np.testing.assert_array_equal(store.image_ids, np.arange(30) * 2)
    np.testing.assert_array_equal(np.union1d(store.train_rows, store.test_rows), np.arange(30))
    assert store.grid == [2, 3]
    rows = np.array([1, 2, 9, 17, 29])
    blocks = list(store.token_blocks(rows))
    np.testing.assert_array_equal(np.concatenate([b for b, _ in blocks]), rows)
    np.testing.assert_array_equal(np.concatenate([t for _, t in blocks]), tokens[rows])


@pytest.mark.parametrize("stop", [4, 8, 12, 20, 28])
def test_an_interrupted_writer_goes_on_to_the_same_bytes(tmp_path, stop):
    rows = content()
    fill(make(tmp_path / "whole.zarr"), rows)
    fill(make(tmp_path / "broken.zarr"), rows, stop=stop)
    again = writer.StoreWriter(tmp_path / "broken.zarr")
    recomputed = [start for start in range(0, stop, 4) if again.lacks(start)]
    assert len(recomputed) * 4 < SHARD  # never a whole shard
    fill(again, rows)
    assert everything(tmp_path / "whole.zarr") == everything(tmp_path / "broken.zarr")


def test_an_incomplete_store_is_refused(tmp_path):
    fill(make(tmp_path / "a.zarr"), content(), stop=12)
    with pytest.raises(TickleError, match=r"tokens/c\.1\.0\.0 is missing"):
        open_store(tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ["tokens", "pooled", "logits", "labels"])
def test_a_deleted_piece_is_named(tmp_path, name):
    fill(make(tmp_path / "a.zarr"), content())
    store = open_store(tmp_path / "a.zarr")
    piece = arrays.shard_path(arrays.open_complete(store.path / name), 0)
    piece.unlink()
    with pytest.raises(TickleError, match=rf"{piece} is missing"):
        open_store(tmp_path / "a.zarr")


def test_a_flipped_bit_is_named_by_whoever_reads_it(tmp_path):
    fill(make(tmp_path / "a.zarr"), content())
    store = open_store(tmp_path / "a.zarr")
    piece = arrays.shard_path(store.tokens, 2)
    damaged = bytearray(piece.read_bytes())
    damaged[20] ^= 4
    piece.write_bytes(damaged)
    with pytest.raises(TickleError, match=rf"{piece} is damaged"):
        list(store.token_blocks(store.train_rows))


def test_unwritten_rows_are_not_numbers(tmp_path):
    for dtype in ("float16", "bfloat16", "float32"):
        writing = make(tmp_path / f"{dtype}.zarr", dtype=dtype)
        raw = writing._tokens[:]
        if dtype == "bfloat16":
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        assert np.isnan(raw).all()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10**8), st.integers(1, 1024), st.integers(1, 512))
def test_shards_are_whole_batches_near_the_wanted_size(row_bytes, batch_size, shard_mib):
    rows = writer.rows_per_shard(row_bytes, batch_size, shard_mib)
    batches, rest = divmod(rows, batch_size)
    assert rest == 0
    assert batches & (batches - 1) == 0
    assert batches == 1 or rows * row_bytes <= shard_mib * 2**20 < 2 * rows * row_bytes
