"""Orthogonal matching pursuit: scikit-learn's, with the properties that define it."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import orthogonal_mp
from torch.nn import functional as F

from tickle_core.dictionaries import pursuit
from tickle_core.dictionaries.pursuit import pursue

D = 16


def normal(*size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*size, generator=generator, dtype=torch.float64)


@pytest.fixture
def dictionary():
    """Forty directions, many of them alike: plain inner products would choose badly."""
    return F.normalize(normal(40, D, seed=1) + 2 * normal(4, D, seed=2).repeat(10, 1))


@pytest.mark.parametrize("k", [1, 2, 5, 12, D])
def test_it_is_scikit_learns(dictionary, monkeypatch, k):
    """Also in blocks of a few tokens."""
    monkeypatch.setattr(pursuit, "BLOCK_BYTES", 8 * (40 + k * D) * 7)
    acts = normal(60, D)
    found, active = pursue(dictionary, k, acts)
    weights = orthogonal_mp(dictionary.T.numpy(), acts.T.numpy(), n_nonzero_coefs=k)
    np.testing.assert_allclose(found, weights.T @ dictionary.numpy(), atol=1e-8)
    assert active.tolist() == [k] * 60
    rough, _ = pursue(dictionary.float(), k, acts.float())
    error = (found - acts).square().sum()
    assert (rough - acts).square().sum() == pytest.approx(float(error), rel=1e-3, abs=1e-6)


def test_coefficients_are_the_best_and_each_step_helps(dictionary):
    acts = normal(50, D)
    errors = []
    for k in range(1, D + 1):
        found, _ = pursue(dictionary, k, acts)
        errors.append((found - acts).square().sum(1))
        # What is missing is orthogonal to what was found, as after any least squares.
        torch.testing.assert_close(
            ((acts - found) * found).sum(1), torch.zeros(50, dtype=torch.float64), rtol=0, atol=1e-9
        )
    assert all(
        (after <= before + 1e-12).all() for before, after in zip(errors, errors[1:], strict=False)
    )
    assert errors[-1].max() < 1e-12  # as many as there are dimensions


def test_of_an_orthonormal_basis_the_largest_coefficients_are_kept():
    basis = torch.linalg.qr(normal(D, D)).Q
    acts = normal(30, D, seed=5)
    inner = acts @ basis.T
    least = inner.abs().sort(descending=True).values[:, 3:4]
    found, _ = pursue(basis, 4, acts)
    torch.testing.assert_close(found, torch.where(inner.abs() >= least, inner, 0.0) @ basis)


def test_a_planted_code_is_found():
    dictionary = F.normalize(normal(200, 400))
    rng = np.random.default_rng(0)
    codes = torch.zeros(50, 200, dtype=torch.float64)
    for code in codes:
        chosen = rng.choice(200, 3, replace=False)
        code[chosen] = torch.from_numpy(rng.choice([-1, 1], 3) * rng.uniform(0.5, 1.5, 3))
    found, active = pursue(dictionary, 3, codes @ dictionary)
    torch.testing.assert_close(found, codes @ dictionary)
    assert active.tolist() == [3] * 50


def test_where_nothing_is_left_nothing_is_chosen():
    dictionary = torch.eye(6)
    acts = torch.tensor([[0.0] * 6, [2.0, 0, 0, 0, 0, 0], [1.0, -3, 0, 0, 0, 0]])
    found, active = pursue(dictionary, 4, acts)
    torch.testing.assert_close(found, acts)
    assert active.tolist() == [0, 1, 2]


def test_repeated_directions_do_no_harm():
    dictionary = F.normalize(normal(3, D)).repeat(5, 1)
    acts = normal(20, D, seed=3)
    once, _ = pursue(dictionary[:3], 3, acts)
    found, active = pursue(dictionary, 10, acts)
    torch.testing.assert_close(found, once)
    assert active.max() <= 10
