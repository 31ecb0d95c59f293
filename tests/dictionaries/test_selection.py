"""Which latents are active: always what a search of the whole dense matrix would find."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tickle_core.dictionaries import selection


def whole(pre):
    """A matrix as blocks of 3 rows, each of which overwrites the one before."""
    buffer = torch.empty(3, pre.shape[1], dtype=pre.dtype)
    for start in range(0, len(pre), 3):
        part = pre[start : start + 3]
        yield start, buffer[: len(part)].copy_(part)


def places(pattern):
    """The entries of a pattern as a set of (row, column)."""
    pairs = list(zip(pattern.rows.tolist(), pattern.columns.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    return set(pairs)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_top_k(pre, k):
    """The values found are torch.topk's; which of equal entries are taken is free."""
    columns = selection.top_k(pre, k)
    assert columns.shape == (len(pre), k)
    assert all(len(set(row)) == k for row in columns.tolist())
    found = pre.gather(1, columns).sort(1).values
    assert torch.equal(found, pre.topk(k).values.sort(1).values)


@pytest.mark.parametrize("m, k", [(1024, 8), (1024, 1), (2560, 32), (997, 4), (64, 64), (1, 1)])
def test_top_k_finds_the_k_largest(m, k):
    pre = normal(40, m)
    assert_top_k(pre, k)
    assert_top_k(pre.abs().neg(), k)
    assert_top_k(pre.round(), k)  # many ties
    assert_top_k(torch.ones(3, m), k)
    assert_top_k(pre.bfloat16(), k)


def test_top_k_finds_neighbours_that_lie_in_one_group():
    """However the k largest are spread over a row."""
    m, k = 256, 3
    for columns in itertools.product((0, 1, 16, 64, 128, 255), repeat=k):
        pre = torch.zeros(1, m)
        pre[0, list(columns)] = 1.0
        assert_top_k(pre, k)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 6), st.integers(1, 600), st.integers(1, 50), st.integers(1, 5), st.integers())
def test_top_k_of_any_size(n, m, k, levels, seed):
    generator = torch.Generator().manual_seed(seed % 2**32)
    pre = torch.randint(-(10**levels), 10**levels, (n, m), generator=generator).float()
    assert_top_k(pre, min(k, m))


def test_top_k_pattern_lays_the_rows_one_after_the_other():
    pre = normal(10, 32)
    pattern = selection.top_k_pattern(whole(pre), 4)
    expected = {
        (row, column) for row, some in enumerate(pre.topk(4).indices.tolist()) for column in some
    }
    assert (pattern.height, pattern.width) == (10, 32)
    assert places(pattern) == expected


@pytest.mark.parametrize(
    "threshold", [torch.tensor([0.3]), normal(20, seed=1), torch.tensor([9.0])]
)
def test_the_pattern_above_a_threshold_is_the_dense_mask(threshold):
    pre = normal(11, 20)
    pattern, values = selection.pattern_above(whole(pre), threshold)
    assert places(pattern) == set(map(tuple, (pre > threshold).nonzero().tolist()))
    assert torch.equal(values, pre[pattern.rows, pattern.columns])


GUESSES = [0.0, 0.5, 1.0, 1.2, 1.25, 1.3, 2.0, 100.0]  # as multiples of the right one


@pytest.mark.parametrize("guess", GUESSES)
@pytest.mark.parametrize("count", [1, 2, 57, 100])
def test_the_largest_of_a_batch_do_not_depend_on_the_guess(count, guess):
    pre = normal(25, 16)
    expected = pre.flatten().sort(descending=True).values[count - 1]
    pattern, smallest = selection.largest_pattern(
        lambda: whole(pre), count, guess * float(expected)
    )
    assert places(pattern) == set(map(tuple, (pre >= expected).nonzero().tolist()))
    assert len(pattern.columns) == count
    assert smallest == expected


@pytest.mark.parametrize("guess", [0.0, 3.0, 4.0, 6.0])
def test_the_smallest_is_known_where_the_guess_lets_exactly_enough_through(guess):
    pre = torch.tensor([[5.0, 4.0], [1.0, 0.5]])
    pattern, smallest = selection.largest_pattern(lambda: whole(pre), 2, guess)
    assert places(pattern) == {(0, 0), (0, 1)}
    assert smallest == 4


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 8), st.integers(1, 30), st.integers(1, 100), st.floats(0, 12), st.integers())
def test_the_largest_of_any_batch(n, m, count, guess, seed):
    """With many ties: those of the smallest are all in; never what is not positive."""
    generator = torch.Generator().manual_seed(seed % 2**32)
    pre = torch.randint(-5, 10, (n, m), generator=generator).float()
    pattern, smallest = selection.largest_pattern(lambda: whole(pre), count, guess)
    positive = pre[pre > 0].sort(descending=True).values
    floor = float(positive[count - 1]) if count <= len(positive) else 0.0
    assert places(pattern) == set(map(tuple, ((pre >= floor) & (pre > 0)).nonzero().tolist()))
    assert smallest == floor


def weights(m, d, seed=0):
    """Small integers, whose products are exact in any order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-3, 4, (m, d), generator=generator).float()


@pytest.mark.parametrize("bytes_", [1, 4 * 50 * 7, 2**23])
def test_blocks_are_the_dense_product(monkeypatch, bytes_):
    monkeypatch.setattr(selection, "BLOCK_BYTES", bytes_)
    acts, w_enc, b_enc = weights(30, 6), weights(50, 6, 1), weights(50, 1, 2)[:, 0]
    found = torch.zeros(30, 50)
    seen = []
    for start, block in selection.pre_activations(acts, w_enc, b_enc, "float32"):
        found[start : start + len(block)] = block
        seen += range(start, start + len(block))
    assert seen == list(range(30))
    assert torch.equal(found, acts @ w_enc.T + b_enc)


def test_the_size_of_blocks_changes_no_choice(monkeypatch):
    acts, w_enc, b_enc = weights(30, 6), weights(50, 6, 1), weights(50, 1, 2)[:, 0]

    def chosen():
        def blocks():
            return selection.pre_activations(acts, w_enc, b_enc, "float32")

        above, _ = selection.pattern_above(blocks(), torch.tensor([2.0]))
        largest, smallest = selection.largest_pattern(blocks, 100, 1.0)
        top = selection.top_k_pattern(blocks(), 4)
        return places(above), places(largest), smallest, places(top)

    whole_batch = chosen()
    monkeypatch.setattr(selection, "BLOCK_BYTES", 4 * 50 * 7)
    assert chosen() == whole_batch


def test_bfloat16_chooses_nearly_the_same():
    acts, w_enc, b_enc = normal(400, 64), normal(512, 64, seed=1), torch.zeros(512)
    exact, rough = (
        places(selection.top_k_pattern(selection.pre_activations(acts, w_enc, b_enc, kind), 16))
        for kind in ("float32", "bfloat16")
    )
    assert len(rough) == len(exact) == 400 * 16
    assert 0.95 < len(rough & exact) / len(exact) < 1
    # What is chosen instead is almost as large.
    pre = acts @ w_enc.T
    smallest = pre.topk(16).values[:, -1]
    assert all(pre[row, column] > 0.97 * smallest[row] for row, column in rough)
