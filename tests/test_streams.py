"""Shuffled streams: nothing lost, nothing doubled, well mixed, bounded."""

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tickle_core import arrays, streams


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


def test_a_bounded_pool_bounds_memory():
    def ones():
        for _ in range(200):
            yield (np.ones((1000, 32), dtype=np.float32),)  # 128 kB each, 25.6 MB in all

    bound = 4 * 2**20
    tracemalloc.start()
    for _ in streams.mix(ones(), 64, bound, np.random.default_rng(0)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * bound


def test_random_chunks_give_the_wanted_rows_in_random_order(tmp_path):
    content = np.arange(1000, dtype="float32").repeat(2**13).reshape(1000, 2**13)
    array = arrays.create(tmp_path / "a", content.shape, "float32", 1024, float("nan"))
    arrays.write_shard(array, 0, content)
    rows = np.flatnonzero(np.random.default_rng(0).random(1000) < 0.3)
    seen = []
    for wanted, read in streams.random_chunks(array, rows, np.random.default_rng(1)):
        np.testing.assert_array_equal(read, content[wanted])
        seen.append(wanted)
    assert len(seen) > 1
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), rows)
    assert [piece[0] for piece in seen] != sorted(piece[0] for piece in seen)
