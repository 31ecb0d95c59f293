"""What SAEs are compared with: each is the best of its kind, or equals a plain computation."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from tickle_core.dictionaries import baselines
from tickle_core.dictionaries.components import principal_components
from tickle_core.dictionaries.stream import Sample

D = 12


def sample_of(tokens):
    mean = tokens.mean(0)
    return Sample(tokens, mean, (tokens - mean).square().sum(1).mean().sqrt())


@pytest.fixture(scope="module")
def sample():
    """Correlated tokens in clumps, far from the origin."""
    rng = np.random.default_rng(0)
    clumps = 3 * rng.standard_normal((20, D))
    tokens = rng.standard_normal((2000, D)) @ rng.standard_normal((D, D))
    tokens += clumps[rng.integers(20, size=2000)] + 50
    return sample_of(torch.from_numpy(tokens).float())


def squared_error(made, tokens):
    return float((made.acts - tokens).double().square().sum())


def fvu(baseline, sample):
    total = float((sample.tokens - sample.mean).double().square().sum())
    return squared_error(baseline.reconstruct(sample.tokens), sample.tokens) / total


def test_components_and_active_components(sample):
    fitted = baselines.fit(sample, k=3, latents=40, seed=0)
    active = {"zero": 0, "mean": 0, "pca_k": 3, "pca_m": D, "kmeans": 1, "random": 3}
    components = {"zero": 0, "mean": 0, "pca_k": 3, "pca_m": D, "kmeans": 40, "random": 40}
    assert {name: each.components for name, each in fitted.items()} == components
    for name, each in fitted.items():
        made = each.reconstruct(sample.tokens[:70])
        assert made.acts.shape == (70, D) and made.acts.dtype == torch.float32
        assert made.active.tolist() == [active[name]] * 70
    # No more components than the space has dimensions, and of course no more than latents.
    assert baselines.fit(sample, k=30, latents=40, seed=0)["pca_k"].components == D
    assert baselines.fit(sample, k=3, latents=5, seed=0)["pca_m"].components == 5


def test_zero_and_mean(sample):
    fitted = baselines.fit(sample, k=3, latents=8, seed=0)
    assert not fitted["zero"].reconstruct(sample.tokens).acts.any()
    assert fitted["mean"].reconstruct(sample.tokens).acts.unique(dim=0).equal(sample.mean[None])
    assert fvu(fitted["mean"], sample) == pytest.approx(1)
    offset = float(sample.mean.square().sum() / sample.scale**2)
    assert fvu(fitted["zero"], sample) == pytest.approx(1 + offset, rel=1e-4)


@pytest.mark.parametrize("k", [1, 4, D])
def test_pca_is_scikit_learns(sample, k):
    numbers = sample.tokens.double().numpy()
    reference = PCA(k, svd_solver="full").fit(numbers)
    made = baselines.fit(sample, k, latents=D, seed=0)["pca_k"].reconstruct(sample.tokens)
    expected = reference.inverse_transform(reference.transform(numbers))
    np.testing.assert_allclose(made.acts.numpy(), expected, atol=1e-3)


def test_no_other_basis_of_the_rank_is_better(sample):
    best = squared_error(
        baselines.fit(sample, 4, 8, 0)["pca_k"].reconstruct(sample.tokens), sample.tokens
    )
    around = sample.tokens - sample.mean
    principal = principal_components(sample).basis[:4].T
    generator = torch.Generator().manual_seed(1)
    for spread in (0.1, 10.0):  # from near the optimum to anywhere
        for _ in range(20):
            noise = torch.randn(D, 4, generator=generator)
            basis = torch.linalg.qr(principal + spread * noise).Q
            other = float((around - around @ basis @ basis.T).double().square().sum())
            assert other > best


def test_all_components_describe_everything(sample):
    assert fvu(baselines.fit(sample, 3, latents=64, seed=0)["pca_m"], sample) < 1e-10


def test_squared_errors_of_every_number_of_components(sample):
    pca = principal_components(sample)
    errors = pca.squared_errors(sample.tokens)
    assert errors.shape == (2000, D + 1)
    for count in range(D + 1):
        direct = (pca.project(sample.tokens, count) - sample.tokens).square().sum(1)
        np.testing.assert_allclose(errors[:, count], direct, rtol=1e-3, atol=1e-3)


def test_a_token_becomes_its_nearest_centroid(sample):
    centroids = baselines.k_means(sample, 30, seed=0)
    distances = torch.cdist(sample.tokens - sample.mean, centroids)
    made = baselines.fit(sample, k=3, latents=30, seed=0)["kmeans"].reconstruct(sample.tokens)
    nearest = (made.acts - sample.tokens).norm(dim=1)
    torch.testing.assert_close(nearest, distances.min(1).values, rtol=1e-3, atol=1e-4)
    assert len(made.acts.unique(dim=0)) == 30


def test_k_means_has_nearly_converged(sample):
    found = fvu(baselines.fit(sample, k=3, latents=30, seed=0)["kmeans"], sample)
    around = (sample.tokens - sample.mean).numpy()
    converged = [
        KMeans(30, init="random", n_init=1, random_state=seed).fit(around).inertia_
        for seed in range(10)
    ]
    assert found < 1.02 * np.max(converged) / np.square(around).sum()


def test_tokens_that_repeat_make_one_centroid():
    values = torch.randn(50, D, generator=torch.Generator().manual_seed(0))
    sample = sample_of(values.repeat(4, 1))
    fitted = baselines.fit(sample, k=3, latents=100, seed=0)["kmeans"]
    assert fitted.components == 50
    assert fvu(fitted, sample) < 1e-10
    fewer = baselines.fit(sample, k=3, latents=49, seed=0)["kmeans"]
    assert fewer.components == 49
    assert fvu(fewer, sample) > 1e-4


@pytest.mark.parametrize("k", [1, 5, D + 8])
def test_random_directions_have_least_squares_coefficients(sample, monkeypatch, k):
    """The same as NumPy's for each token by itself, also in blocks of a few tokens."""
    monkeypatch.setattr(baselines, "BLOCK_BYTES", 20_000)
    normal = torch.randn(40, D, generator=torch.Generator().manual_seed(1))
    directions = torch.nn.functional.normalize(normal)
    acts = sample.tokens[:60]
    made = baselines._pursue(sample.mean, directions, k, acts)
    around = (acts - sample.mean).double().numpy()
    rows = directions.double().numpy()
    rebuilt = (made.acts - sample.mean).double().numpy()
    for a, found in zip(around, rebuilt, strict=True):
        chosen = rows[np.argsort(-rows @ a)[:k]]
        best = np.linalg.lstsq(chosen.T, a, rcond=None)[0]
        np.testing.assert_allclose(found, best @ chosen, atol=2e-4)
        np.testing.assert_allclose(chosen @ (a - found), 0, atol=2e-4)
        plain = chosen.T @ (chosen @ a)  # the inner products themselves as coefficients
        assert np.square(a - found).sum() <= np.square(a - plain).sum() + 1e-4


@pytest.mark.parametrize("name", ["pca_k", "random", "kmeans"])
def test_more_components_leave_less_unexplained(sample, name):
    errors = [
        fvu(baselines.fit(sample, k, latents=8 * k, seed=0)[name], sample) for k in (1, 2, 4, 8)
    ]
    assert 1 > errors[0] > errors[1] > errors[2] > errors[3] > 0


def test_random_directions_are_worse_than_principal_ones(sample):
    fitted = baselines.fit(sample, k=4, latents=16, seed=0)
    assert fvu(fitted["random"], sample) > 1.2 * fvu(fitted["pca_k"], sample)


def test_the_seed_decides_everything(sample):
    one, same, other = (baselines.fit(sample, 3, 40, seed) for seed in (0, 0, 1))
    made = [
        {name: each.reconstruct(sample.tokens).acts for name, each in fitted.items()}
        for fitted in (one, same, other)
    ]
    assert all(made[0][name].equal(made[1][name]) for name in made[0])
    assert not made[0]["kmeans"].equal(made[2]["kmeans"])
    assert not made[0]["random"].equal(made[2]["random"])
    assert made[0]["pca_k"].equal(made[2]["pca_k"])
