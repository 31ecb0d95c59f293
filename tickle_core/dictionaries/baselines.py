"""What other descriptions of the same budget achieve: what an SAE has to beat.

zero     0                                      what is lost if the layer says nothing
mean     the mean of the sample                 what is lost if it says the same of all tokens
pca_k    mean + projection on the k first principal components
kmeans   the nearest of as many centroids as there are latents
points   k of as many train tokens as there are latents, by orthogonal matching pursuit
random   the same of random directions that are spread as the tokens are
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch.nn import functional as F

from tickle_core.dictionaries import directions, selection
from tickle_core.dictionaries.components import PrincipalComponents
from tickle_core.dictionaries.pursuit import pursue
from tickle_core.dictionaries.stream import Sample

# Of Lloyd's iteration. Ten more lowered the error on layers of a ResNet by 1 % of it.
PASSES = 10


@dataclass(frozen=True)
class Reconstruction:
    """What a description makes of n tokens.

    Attributes
    ----------
    acts
        (n, d) float32, raw.
    active
        (n,) int64, how many components describe each token.
    """

    acts: torch.Tensor
    active: torch.Tensor


@dataclass(frozen=True)
class Baseline:
    """A description that was fitted to a sample.

    Attributes
    ----------
    components
        How many directions or centroids it chooses from.
    reconstruct
        Raw tokens (n, d) float32 -> their reconstruction. Beside a few times the size of the
        tokens it needs some 200 MiB, whatever n is.
    """

    components: int
    reconstruct: Callable[[torch.Tensor], Reconstruction]


def fit(
    sample: Sample, pca: PrincipalComponents, k: int, latents: int, seed: int
) -> dict[str, Baseline]:
    """Fit all of them to a sample of train tokens.

    The fit of k-means dominates: PASSES passes of n * latents * d multiplications each. Memory is
    some five times that of the sample.

    Parameters
    ----------
    k
        Active latents per token of the SAE to compare with.
    latents
        The number of its latents, at least k.
    seed
        Of the first centroids, of the tokens and of the random directions.

    Returns
    -------
    dict
        By the names zero, mean, pca_k, kmeans, points, random.
    """
    d = sample.tokens.shape[1]
    centroids = k_means(sample, latents, seed)
    points = F.normalize(_distinct_tokens(sample, latents, seed))
    return {
        "zero": Baseline(0, partial(_constant, torch.zeros_like(sample.mean))),
        "mean": Baseline(0, partial(_constant, sample.mean)),
        "pca_k": Baseline(min(k, d), partial(_project, pca, min(k, d))),
        "kmeans": Baseline(len(centroids), partial(_quantize, sample.mean, centroids)),
        "points": pursuit(sample.mean, points, k),
        "random": pursuit(sample.mean, directions.like_tokens(sample, latents, seed), k),
    }


def pursuit(centre: torch.Tensor, dictionary: torch.Tensor, k: int) -> Baseline:
    """Orthogonal matching pursuit of a token by k directions (m, d), from a point (d,) on."""
    return Baseline(len(dictionary), partial(_pursue, centre, dictionary, k))


def k_means(sample: Sample, count: int, seed: int) -> torch.Tensor:
    """Centroids of the sample, around its mean, by PASSES of Lloyd's iteration.

    They begin as distinct tokens: many tokens of a layer may be equal (those of an empty
    background), and equal centroids would be one.

    Returns
    -------
    torch.Tensor
        (count, d), or as many as there are distinct tokens.
    """
    drawn = _distinct_tokens(sample, count, seed).cpu().numpy()
    acts = (sample.tokens - sample.mean).cpu().numpy()
    # One thread: several add to the centroids in whatever order they come.
    with threadpool_limits(limits=1):
        fitted = KMeans(len(drawn), init=drawn, n_init=1, max_iter=PASSES).fit(acts)
    return torch.from_numpy(fitted.cluster_centers_).to(sample.mean.device)


def _distinct_tokens(sample: Sample, count: int, seed: int) -> torch.Tensor:
    """Random tokens of the sample around its mean, no two alike: (count, d), or all there are."""
    acts = (sample.tokens - sample.mean).cpu().numpy()
    as_bytes = np.ascontiguousarray(acts).view(f"V{acts.itemsize * acts.shape[1]}")
    distinct = np.unique(as_bytes[:, 0], return_index=True)[1]
    rng = np.random.default_rng(seed)
    drawn = rng.choice(distinct, min(count, len(distinct)), replace=False)
    return torch.from_numpy(acts[drawn]).to(sample.mean.device)


def _nearest(acts: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """The number of the centroid that is nearest to each token, (n,)."""
    # -||a - c||^2 / 2, but for what does not depend on c.
    scores = selection.pre_activations(acts, centroids, -centroids.square().sum(1) / 2, "float32")
    return torch.cat([block.argmax(1) for _, block in scores])


def _constant(value: torch.Tensor, acts: torch.Tensor) -> Reconstruction:
    return Reconstruction(value.repeat(len(acts), 1), _active(acts, 0))


def _project(pca: PrincipalComponents, count: int, acts: torch.Tensor) -> Reconstruction:
    return Reconstruction(pca.project(acts, count), _active(acts, count))


def _quantize(mean: torch.Tensor, centroids: torch.Tensor, acts: torch.Tensor) -> Reconstruction:
    nearest = _nearest(acts - mean, centroids)
    return Reconstruction(centroids[nearest] + mean, _active(acts, 1))


def _pursue(
    centre: torch.Tensor, dictionary: torch.Tensor, k: int, acts: torch.Tensor
) -> Reconstruction:
    rebuilt, active = pursue(dictionary, k, acts - centre)
    return Reconstruction(rebuilt + centre, active)


def _active(acts: torch.Tensor, count: int) -> torch.Tensor:
    return torch.full((len(acts),), count, device=acts.device)
