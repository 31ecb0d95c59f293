"""What SAEs are compared with: each is the best of its kind, or equals a plain computation."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from tickle_core.dictionaries import baselines, directions
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


def fit(sample, k, latents, seed=0):
    return baselines.fit(sample, principal_components(sample), k, latents, seed)


def squared_error(made, tokens):
    return float((made.acts - tokens).double().square().sum())


def fvu(baseline, sample):
    total = float((sample.tokens - sample.mean).double().square().sum())
    return squared_error(baseline.reconstruct(sample.tokens), sample.tokens) / total


def test_components_and_active_components(sample):
    fitted = fit(sample, k=3, latents=40)
    active = {"zero": 0, "mean": 0, "pca_k": 3, "kmeans": 1, "points": 3, "random": 3}
    components = {"zero": 0, "mean": 0, "pca_k": 3, "kmeans": 40, "points": 40, "random": 40}
    assert {name: each.components for name, each in fitted.items()} == components
    new = sample.tokens[:70] + 0.1  # no token of the sample describes itself
    for name, each in fitted.items():
        made = each.reconstruct(new)
        assert made.acts.shape == (70, D) and made.acts.dtype == torch.float32
        assert made.active.tolist() == [active[name]] * 70
    # No more components than the space has dimensions.
    assert fit(sample, k=30, latents=40)["pca_k"].components == D


def test_zero_and_mean(sample):
    fitted = fit(sample, k=3, latents=8, seed=0)
    assert not fitted["zero"].reconstruct(sample.tokens).acts.any()
    assert fitted["mean"].reconstruct(sample.tokens).acts.unique(dim=0).equal(sample.mean[None])
    assert fvu(fitted["mean"], sample) == pytest.approx(1)
    offset = float(sample.mean.square().sum() / sample.scale**2)
    assert fvu(fitted["zero"], sample) == pytest.approx(1 + offset, rel=1e-4)


@pytest.mark.parametrize("k", [1, 4, D])
def test_pca_is_scikit_learns(sample, k):
    numbers = sample.tokens.double().numpy()
    reference = PCA(k, svd_solver="full").fit(numbers)
    made = fit(sample, k, latents=D)["pca_k"].reconstruct(sample.tokens)
    expected = reference.inverse_transform(reference.transform(numbers))
    np.testing.assert_allclose(made.acts.numpy(), expected, atol=1e-3)


def test_no_other_basis_of_the_rank_is_better(sample):
    best = squared_error(fit(sample, 4, 8)["pca_k"].reconstruct(sample.tokens), sample.tokens)
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
    assert fvu(fit(sample, k=D, latents=64)["pca_k"], sample) < 1e-10


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
    made = fit(sample, k=3, latents=30)["kmeans"].reconstruct(sample.tokens)
    nearest = (made.acts - sample.tokens).norm(dim=1)
    torch.testing.assert_close(nearest, distances.min(1).values, rtol=1e-3, atol=1e-4)
    assert len(made.acts.unique(dim=0)) == 30


def test_k_means_has_nearly_converged(sample):
    found = fvu(fit(sample, k=3, latents=30)["kmeans"], sample)
    around = (sample.tokens - sample.mean).numpy()
    converged = [
        KMeans(30, init="random", n_init=1, random_state=seed).fit(around).inertia_
        for seed in range(10)
    ]
    assert found < 1.02 * np.max(converged) / np.square(around).sum()


def test_tokens_that_repeat_make_one_centroid():
    values = torch.randn(50, D, generator=torch.Generator().manual_seed(0))
    sample = sample_of(values.repeat(4, 1))
    fitted = fit(sample, k=3, latents=100)["kmeans"]
    assert fitted.components == 50
    assert fvu(fitted, sample) < 1e-10
    fewer = fit(sample, k=3, latents=49)["kmeans"]
    assert fewer.components == 49
    assert fvu(fewer, sample) > 1e-4


@pytest.mark.parametrize("name", ["pca_k", "points", "random", "kmeans"])
def test_more_components_leave_less_unexplained(sample, name):
    errors = [fvu(fit(sample, k, latents=8 * k)[name], sample) for k in (1, 2, 4, 8)]
    assert 1 > errors[0] > errors[1] > errors[2] > errors[3] > 0


def test_the_true_dictionary_beats_tokens_and_random_directions():
    """All coded alike: tokens that are sums of 2 of 40 directions, all positive."""
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((40, D))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    chosen = rng.random((3000, 40)).argsort(axis=1)[:, :2]
    tokens = (atoms[chosen] * rng.uniform(0.5, 1.5, (3000, 2, 1))).sum(1)
    planted = sample_of(torch.from_numpy(tokens).float())
    fitted = fit(planted, k=2, latents=40)
    true = baselines.pursuit(torch.zeros(D), torch.from_numpy(atoms).float(), 2)
    found = [fvu(each, planted) for each in (true, fitted["points"], fitted["random"])]
    assert found[0] < 0.05 < 0.1 < min(found[1:])


def test_train_tokens_describe_themselves(sample):
    made = fit(sample, k=1, latents=len(sample.tokens))["points"]
    assert fvu(made, sample) < 1e-10


def test_random_directions_are_spread_as_the_tokens_are(sample):
    drawn = directions.like_tokens(sample, 20_000, seed=0)
    torch.testing.assert_close(drawn.norm(dim=1), torch.ones(20_000))
    root = directions.root(sample.covariance)
    torch.testing.assert_close(root @ root, sample.covariance, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(root, root.T)
    # Directions of tokens of such a Gaussian, which are drawn by NumPy here.
    gaussian = np.random.default_rng(1).multivariate_normal(
        np.zeros(D), sample.covariance.numpy(), 20_000
    )
    gaussian /= np.linalg.norm(gaussian, axis=1, keepdims=True)
    moments = [each.T @ each / 20_000 for each in (drawn.double().numpy(), gaussian)]
    np.testing.assert_allclose(*moments, atol=0.02)


def test_directions_stay_where_tokens_are():
    """Tokens in a plane: no direction leaves it, though the covariance has no inverse."""
    plane = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    drawn = directions.like_tokens(sample_of(torch.cat([plane, torch.zeros(300, 3)], 1)), 50, 0)
    assert drawn[:, 2:].abs().max() < 1e-5
    torch.testing.assert_close(drawn.norm(dim=1), torch.ones(50))


def test_the_seed_decides_everything(sample):
    one, same, other = (fit(sample, 3, 40, seed) for seed in (0, 0, 1))
    made = [
        {name: each.reconstruct(sample.tokens).acts for name, each in fitted.items()}
        for fitted in (one, same, other)
    ]
    assert all(made[0][name].equal(made[1][name]) for name in made[0])
    assert not made[0]["kmeans"].equal(made[2]["kmeans"])
    assert not made[0]["random"].equal(made[2]["random"])
    assert made[0]["pca_k"].equal(made[2]["pca_k"])
