"""Shuffled streams: nothing lost, nothing doubled, well mixed, bounded."""

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickle_core import arrays, streams
from tickle_core.errors import TickleError


def pieces(count, size):
    """Items 0 .. count-1 in order, with a second column that must stay beside the first."""
    for start in range(0, count, size):
        items = np.arange(start, min(start + size, count))
        yield items, items * 10


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 500),
    st.integers(1, 60),
    st.integers(1, 80),
    st.integers(1, 20_000),
    st.integers(),
)
def test_mixing_keeps_every_item_once_and_columns_together(count, size, batch, pool_bytes, seed):
    rng = np.random.default_rng(abs(seed))
    batches = list(streams.mix(pieces(count, size), batch, pool_bytes, rng))
    items = np.concatenate([first for first, _ in batches])
    assert sorted(items) == list(range(count))
    for first, second in batches:
        np.testing.assert_array_equal(first * 10, second)
    assert all(len(first) == batch for first, _ in batches[:-1])


def test_mixing_is_seeded():
    def run(seed):
        mixed = streams.mix(pieces(1000, 10), 32, 5000, np.random.default_rng(seed))
        return [first.tolist() for first, _ in mixed]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_pool_that_holds_everything_shuffles_uniformly():
    """The mean rank of the items of a batch scatters as that of a random sample."""
    count, batch = 20_000, 200
    rng = np.random.default_rng(0)
    means = [first.mean() for first, _ in streams.mix(pieces(count, 100), batch, 10**9, rng)]
    expected = count / np.sqrt(12 * batch)
    assert 0.75 < np.std(means) / expected < 1.25


IMAGES, PER_IMAGE, PER_PIECE, BATCH = 4_000, 50, 1_000, 500


def images_of_batches(pool_items):
    """Image numbers in each batch of a stream whose pieces of 20 images come in random order."""
    rng = np.random.default_rng(0)
    items = np.arange(IMAGES * PER_IMAGE) // PER_IMAGE
    starts = rng.permutation(np.arange(0, len(items), PER_PIECE))
    order = ((items[start : start + PER_PIECE],) for start in starts)
    pool_bytes = pool_items * (items.itemsize + streams.INDEX_BYTES)
    return [batch for (batch,) in streams.mix(order, BATCH, pool_bytes, rng)]


def mixing(batches):
    """Mean distance of two images of a batch, distinct images of a batch, each against uniform;
    and the share of pairs that come from the same piece.
    """
    batches = batches[::5]
    distance = np.mean([np.abs(batch[:, None] - batch).mean() for batch in batches])
    distinct = np.mean([len(np.unique(batch)) for batch in batches])
    same_piece = np.mean([np.square(np.bincount(batch // 20)).sum() for batch in batches])
    uniform = IMAGES * (1 - (1 - 1 / IMAGES) ** BATCH)
    return distance / (IMAGES / 3), distinct / uniform, same_piece / BATCH**2 - 1 / BATCH


def test_a_bounded_pool_mixes_well():
    """With a tenth of all items; a stream that does not mix fails by far."""
    pool_items = IMAGES * PER_IMAGE // 10
    distance, distinct, same_piece = mixing(images_of_batches(pool_items))
    assert 0.97 < distance < 1.03
    # A pool filled, shuffled and emptied would reach 0.61, and PER_PIECE / pool_items.
    assert distinct > 0.75
    assert same_piece < 0.8 * PER_PIECE / pool_items
    distance, distinct, same_piece = mixing(images_of_batches(BATCH))
    assert distance < 0.1
    assert distinct < 0.1
    assert same_piece > 0.5


@pytest.mark.parametrize("width", [8, 32, 512])
def test_a_bounded_pool_bounds_memory(width):
    """Pool, piece and batch are all that stands in memory, from the first batch to the last."""
    piece_bytes, bound = 128 * 2**10, 4 * 2**20
    piece = np.ones((piece_bytes // (4 * width), width), dtype=np.float32)

    def ones():
        for _ in range(200):  # 25 MiB in all
            yield (piece.copy(),)

    tracemalloc.start()
    for _ in streams.mix(ones(), 64, bound, np.random.default_rng(0)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.5 * bound < peak < 1.05 * bound + 2 * piece_bytes


@pytest.fixture
def stored(tmp_path):
    """An array of 16 chunks of 64 rows, which hold their own numbers."""
    content = np.arange(1000, dtype="float32").repeat(2**13).reshape(1000, 2**13)
    array = arrays.create(tmp_path / "a", content.shape, "float32", 512, float("nan"))
    arrays.write_shard(array, 0, content[:512])
    arrays.write_shard(array, 1, content[512:])
    return array


def test_random_chunks_give_the_wanted_rows_in_random_order(stored):
    rows = np.flatnonzero(np.random.default_rng(0).random(1000) < 0.3)
    seen = []
    for wanted, read in streams.random_chunks(stored, rows, np.random.default_rng(1)):
        np.testing.assert_array_equal(read, stored[:][wanted])
        seen.append(wanted)
    assert len(seen) == 16
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), rows)
    assert [piece[0] for piece in seen] != sorted(piece[0] for piece in seen)


def test_the_timing_of_the_readers_changes_nothing(stored, monkeypatch):
    def run():
        rng = np.random.default_rng(0)
        chunks = streams.random_chunks(stored, np.arange(1000), rng)
        return np.concatenate([rows for rows, _ in streams.mix(chunks, 64, 2**24, rng)])

    undisturbed = run()
    read_rows, delays = arrays.read_rows, iter(np.random.default_rng(1).random(100) / 100)

    def late(*arguments):
        time.sleep(next(delays))
        return read_rows(*arguments)

    monkeypatch.setattr(arrays, "read_rows", late)
    np.testing.assert_array_equal(run(), undisturbed)


def test_readers_do_not_run_away(stored, monkeypatch):
    """While the caller is busy, a fixed number of chunks is read, not all."""
    read_rows, reads = arrays.read_rows, []

    def counted(*arguments):
        reads.append(arguments)
        return read_rows(*arguments)

    monkeypatch.setattr(arrays, "read_rows", counted)
    chunks = streams.random_chunks(stored, np.arange(1000), np.random.default_rng(0))
    for served in range(1, 5):
        next(chunks)
        time.sleep(0.05)
        assert len(reads) <= served + streams.READ_AHEAD
    chunks.close()
    assert len(reads) <= 4 + streams.READ_AHEAD


def test_damage_is_named_by_the_stream(stored):
    piece = arrays.shard_path(stored, 1)
    damaged = bytearray(piece.read_bytes())
    damaged[20] ^= 4
    piece.write_bytes(damaged)
    with pytest.raises(TickleError, match=rf"{piece} is damaged"):
        list(streams.random_chunks(stored, np.arange(1000), np.random.default_rng(0)))
