"""Products at a few entries: those of the dense computation, and so are their gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tickle_core.dictionaries.sparse import Pattern, sampled_product, sparse_product

# Where entries stand in matrices of a few sizes: n, m, (row, column) in the order of the rows.
PATTERNS = {
    "some": (4, 5, [(0, 3), (0, 1), (1, 4), (3, 0), (3, 1), (3, 4)]),
    "empty rows at both ends": (4, 3, [(1, 2), (2, 0)]),
    "no entries": (3, 4, []),
    "every entry": (2, 2, [(0, 0), (0, 1), (1, 0), (1, 1)]),
    "one row": (1, 4, [(0, 2), (0, 0)]),
    "one column": (3, 1, [(0, 0), (2, 0)]),
    "one entry": (1, 1, [(0, 0)]),
}


def pattern_of(n, m, places):
    rows, columns = torch.tensor(places, dtype=torch.int64).reshape(-1, 2).T
    return Pattern.of_rows(rows, columns.contiguous(), n, m)


def dense(pattern, values):
    matrix = values.new_zeros(pattern.height, pattern.width)
    return matrix.index_put((pattern.rows, pattern.columns), values)


def normal(*shape, seed=0, grad=False):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
    return drawn.requires_grad_(grad)


@pytest.fixture(params=PATTERNS.values(), ids=PATTERNS.keys())
def pattern(request):
    return pattern_of(*request.param)


def test_a_pattern_knows_its_rows_and_shape():
    n, m, places = PATTERNS["some"]
    pattern = pattern_of(n, m, places)
    assert (pattern.height, pattern.width) == (n, m)
    assert pattern.offsets.tolist() == [0, 2, 3, 3, 6]
    assert list(zip(pattern.rows.tolist(), pattern.columns.tolist(), strict=True)) == places


def test_both_products_equal_the_dense_ones(pattern):
    a, b = normal(pattern.height, 3, seed=1), normal(pattern.width, 3, seed=2)
    values = normal(len(pattern.columns), seed=3)
    sampled = sampled_product(a, b, pattern)
    torch.testing.assert_close(sampled, (a @ b.T)[pattern.rows, pattern.columns])
    torch.testing.assert_close(sparse_product(values, b, pattern), dense(pattern, values) @ b)


def test_gradients_equal_finite_differences(pattern):
    a, b = normal(pattern.height, 3, seed=1, grad=True), normal(pattern.width, 3, seed=2, grad=True)
    values = normal(len(pattern.columns), seed=3, grad=True)
    assert torch.autograd.gradcheck(lambda a, b: sampled_product(a, b, pattern), (a, b))
    assert torch.autograd.gradcheck(lambda v, b: sparse_product(v, b, pattern), (values, b))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.data())
def test_gradients_equal_autograds_dense_ones(n, m, d, data):
    """One pattern used twice in one graph, as training does: encode, then decode."""
    counts = data.draw(st.lists(st.integers(0, m), min_size=n, max_size=n))
    columns = [data.draw(st.permutations(range(m)))[:count] for count in counts]
    places = [(row, column) for row, some in enumerate(columns) for column in some]
    pattern = pattern_of(n, m, places)
    a, enc, dec = (normal(size, d, seed=size, grad=True) for size in (n, m, m + 20))
    mask = dense(pattern, torch.ones(len(places), dtype=torch.float64))
    weights = normal(n, d, seed=5)

    sparse = sparse_product(sampled_product(a, enc, pattern).relu(), dec[:m], pattern)
    ours = torch.autograd.grad((sparse * weights).sum(), (a, enc, dec))
    plain = ((a @ enc.T) * mask).relu() @ dec[:m]
    theirs = torch.autograd.grad((plain * weights).sum(), (a, enc, dec))
    torch.testing.assert_close(sparse, plain)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_a_gradient_that_is_one_number_for_all_is_understood(pattern):
    """That of a sum is a view of a single number, and has no strides."""
    a, b = normal(pattern.height, 3, grad=True), normal(pattern.width, 3, grad=True)
    mask = dense(pattern, torch.ones(len(pattern.columns), dtype=torch.float64))
    sampled_product(a, b, pattern).sum().backward()
    torch.testing.assert_close(a.grad, mask @ b.detach())
    torch.testing.assert_close(b.grad, mask.T @ a.detach())
    values = normal(len(pattern.columns), seed=3, grad=True)
    sparse_product(values, b, pattern).sum().backward()
    torch.testing.assert_close(values.grad, b.detach().sum(1)[pattern.columns])


def test_a_gradient_that_is_a_transposed_view_is_understood(pattern):
    b, weights = normal(pattern.width, 3, seed=2), normal(3, pattern.height)
    values = normal(len(pattern.columns), seed=3, grad=True)
    sparse_product(values, b, pattern).backward(weights.T)
    torch.testing.assert_close(values.grad, (weights.T @ b.T)[pattern.rows, pattern.columns])


def test_the_transpose_of_the_transpose_is_the_pattern(pattern):
    transposed, order = pattern.transposed
    values = normal(len(pattern.columns))
    assert torch.equal(dense(transposed, values[order]), dense(pattern, values).T)
    again, back = transposed.transposed
    assert torch.equal(again.offsets, pattern.offsets)
    assert torch.equal(dense(again, values[order][back]), dense(pattern, values))
    # Within a column, entries follow the order of the rows.
    assert all(
        part.diff().ge(0).all()
        for part in transposed.columns.split(transposed.offsets.diff().tolist())
    )


def test_the_number_of_threads_changes_no_bit():
    n, m, d = 3000, 700, 48
    scores = torch.rand(n, m, generator=torch.Generator().manual_seed(0))
    columns = scores.topk(16).indices.flatten()
    pattern = Pattern(torch.arange(0, n * 16 + 1, 16), columns, m)

    def results():
        a, b, weights = (normal(size, d, seed=size).float() for size in (n, m, n))
        a, b = a.requires_grad_(), b.requires_grad_()
        fresh = Pattern(pattern.offsets, pattern.columns, pattern.width)
        values = sampled_product(a, b, fresh)
        product = sparse_product(values, b, fresh)
        return values, product, *torch.autograd.grad((product * weights).sum(), (a, b))

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = results()
        torch.set_num_threads(4)
        together = results()
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))
