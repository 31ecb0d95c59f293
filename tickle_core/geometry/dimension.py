"""PCA intrinsic dimension: how many principal components hold a given share of the variance.

k = min{m : sum_{i<=m} lambda_i / sum_i lambda_i >= share}, with lambda_i the eigenvalues of the
covariance (n - 1 in the denominator), exact and in float64.

The number depends on n: of the 512 equal directions of a Gaussian (487 at a share of 0.95), 500
vectors show 309 and 1000 show 396. So each dimension comes with its n, with an interval for the
dimension of the distribution behind the sample, and with a null: the dimension that the same n
shows for a Gaussian of exactly the observed covariance. Where the null lies well below the
dimension, n is too small and the dimension itself an underestimate.

Cost: one eigendecomposition (8 ms at d = 512, 0.3 s at d = 2048, on two cores) per bootstrap
resample and null draw, and blocks * d**2 * 8 bytes of memory (20 blocks: 42 MB at d = 512,
0.7 GB at d = 2048, 2.7 GB at d = 4096). Tokens stream through and are never held.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tickle_core.geometry.moments import (
    Moments,
    assign_blocks,
    block_moments,
    covariance_eigenvalues,
    merge,
    row_eigenvalues,
)
from tickle_core.statistics import (
    basic_interval,
    matched_gaussian_eigenvalues,
    percentile_interval,
    resample_counts,
)

if TYPE_CHECKING:
    from tickle_core.params import Dimension


# Below it a class says nothing: n images span at most n - 1 dimensions.
LEAST_CLASS_IMAGES = 10


def cumulative_shares(eigenvalues: np.ndarray) -> np.ndarray:
    """Share of the variance in the first 1, 2, ... components; zeros if nothing varies."""
    total = eigenvalues.sum()
    return np.cumsum(eigenvalues) / total if total > 0 else np.zeros_like(eigenvalues)


def fractional_dimension(eigenvalues: np.ndarray, variance: float) -> float:
    """Where the cumulative share, drawn as a line from (0, 0), reaches `variance`.

    `pca_dimension` is this number rounded up. Intervals are made of it, since the spread of whole
    numbers is all or nothing where it is below one.
    """
    if not eigenvalues.any():
        return 0.0
    shares = np.concatenate([[0.0], cumulative_shares(eigenvalues)])
    return float(np.interp(variance, shares, np.arange(len(shares))))


def pca_dimension(eigenvalues: np.ndarray, variance: float) -> int:
    """Least number of components that hold a share of the variance.

    Parameters
    ----------
    eigenvalues
        Of the covariance, shape (m,), descending, none negative.
    variance
        The share, between 0 and 1 (both excluded).

    Returns
    -------
    int
        The dimension; 0 for constant data, which vary in no direction.
    """
    return _round_up(fractional_dimension(eigenvalues, variance))


def bootstrap_interval(
    blocks: Sequence[Moments], variance: float, resamples: int, rng: np.random.Generator
) -> list[int]:
    """95 % interval of the PCA dimension of the distribution that the blocks were sampled from.

    Whole blocks are resampled, so vectors within a block may depend on each other as the tokens
    of one image do. Resampling spreads the spectrum once more, as sampling did, and lowers the
    dimension by a similar amount. The basic interval corrects for that: it may lie above the
    dimension of the sample itself. Where n is close to d the correction falls short.
    """

    def dimension(moments: Moments) -> float:
        return fractional_dimension(covariance_eigenvalues(moments), variance)

    draws = [dimension(merge(blocks, resample_counts(len(blocks), rng))) for _ in range(resamples)]
    interval = basic_interval(dimension(merge(blocks)), draws)
    return [_round_up(end) for end in np.clip(interval, 0, len(blocks[0].mean))]


def gaussian_null(
    eigenvalues: np.ndarray, n: int, variance: float, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """PCA dimension that n independent draws from a Gaussian of this covariance show.

    Returns
    -------
    dict
        `mean` and 95 % `interval` over the draws, and their number `draws`.
    """
    drawn = (matched_gaussian_eigenvalues(eigenvalues, n, rng) for _ in range(draws))
    return _summary([pca_dimension(each, variance) for each in drawn])


def analyse(
    images: np.ndarray,
    labels: np.ndarray,
    tokens: Iterable[tuple[np.ndarray, np.ndarray]],
    settings: "Dimension",
    seed: int,
) -> dict[str, Any]:
    """PCA dimension of a layer: of pooled images, of each class, and of tokens.

    Parameters
    ----------
    images
        One pooled vector per image, (N, d).
    labels
        Class of each image, (N,), integers.
    tokens
        Chunks of token vectors, (n, d), and their blocks, (n,). All tokens of image i belong in
        block `assign_blocks(N, settings.blocks, seed)[i]`.
    settings
        The section `dimension` of params.yaml.
    seed
        Of every random draw.

    Returns
    -------
    dict
        `width` (d), `variance` (the share), and per unit:

        `image.global`, `token.global`
            `n`, `images`, `dimension`, `interval` (`bootstrap_interval`), `null`
            (`gaussian_null`), `saturated` (dimension above half of min(n, d): too little room is
            left above it), `spectrum` (cumulative shares of variance, d of them). For tokens, n
            counts tokens, and the null draws as many independent vectors: it says what the count
            alone does. That the tokens of an image are not independent is in the interval.
        `image.by_n`
            `n` and `dimension` of nested random subsets of N/4, N/2 and N images: still rising
            means that N is too small.
        `image.classes`
            For each class of at least `LEAST_CLASS_IMAGES` images `label`, `n`, `dimension`,
            `null`, `saturated`. Dimensions compare only at equal n, so each class is a random draw
            of as many images as the smallest of them has.
        `image.least_class_images`
            `LEAST_CLASS_IMAGES`.
        `image.any_class`
            What the classes compare with: `mean`, `interval`, `draws` of the dimension of equally
            many images drawn without regard to class; None where there is no such class.

    Raises
    ------
    TickleError
        If a block is empty or a vector is not finite.
    """
    image_rng, token_rng = np.random.default_rng(seed).spawn(2)
    blocks = assign_blocks(len(images), settings.blocks, seed)
    image_blocks = block_moments([(images, blocks)], settings.blocks)
    token_blocks = block_moments(tokens, settings.blocks)
    return {
        "width": images.shape[1],
        "variance": settings.variance,
        "image": {
            "global": _describe_all(image_blocks, len(images), settings, image_rng),
            "by_n": _by_n(images, settings.variance, image_rng),
            **_by_class(images, labels, settings, image_rng),
        },
        "token": {"global": _describe_all(token_blocks, len(images), settings, token_rng)},
    }


def _describe(
    eigenvalues: np.ndarray, n: int, d: int, settings: "Dimension", rng: np.random.Generator
) -> dict[str, Any]:
    dimension = pca_dimension(eigenvalues, settings.variance)
    return {
        "n": n,
        "dimension": dimension,
        "null": gaussian_null(eigenvalues, n, settings.variance, settings.null_draws, rng),
        "saturated": dimension > 0.5 * min(n, d),
    }


def _describe_all(
    blocks: Sequence[Moments], images: int, settings: "Dimension", rng: np.random.Generator
) -> dict[str, Any]:
    moments = merge(blocks)
    eigenvalues = covariance_eigenvalues(moments)
    return {
        "images": images,
        **_describe(eigenvalues, moments.n, len(moments.mean), settings, rng),
        "interval": bootstrap_interval(blocks, settings.variance, settings.resamples, rng),
        "spectrum": cumulative_shares(eigenvalues).tolist(),
    }


def _by_n(vectors: np.ndarray, variance: float, rng: np.random.Generator) -> list[dict[str, int]]:
    order = rng.permutation(len(vectors))
    sizes = [n for n in (len(vectors) // 4, len(vectors) // 2, len(vectors)) if n >= 2]
    return [
        {"n": n, "dimension": pca_dimension(row_eigenvalues(vectors[order[:n]]), variance)}
        for n in sizes
    ]


def _by_class(
    vectors: np.ndarray, labels: np.ndarray, settings: "Dimension", rng: np.random.Generator
) -> dict[str, Any]:
    names, counts = np.unique(labels, return_counts=True)
    enough = counts >= LEAST_CLASS_IMAGES
    if not enough.any():
        return {"classes": [], "any_class": None, "least_class_images": LEAST_CLASS_IMAGES}
    names, n, d = names[enough], int(counts[enough].min()), vectors.shape[1]

    def draw(members: np.ndarray) -> np.ndarray:
        return row_eigenvalues(vectors[rng.choice(members, n, replace=False)])

    classes = [
        {"label": int(name), **_describe(draw(np.flatnonzero(labels == name)), n, d, settings, rng)}
        for name in names
    ]
    everyone = np.arange(len(vectors))
    mixed = [pca_dimension(draw(everyone), settings.variance) for _ in range(settings.null_draws)]
    return {
        "classes": classes,
        "any_class": _summary(mixed),
        "least_class_images": LEAST_CLASS_IMAGES,
    }


def _summary(dimensions: Sequence[int]) -> dict[str, Any]:
    return {
        "mean": float(np.mean(dimensions)),
        "interval": list(percentile_interval(dimensions)),
        "draws": len(dimensions),
    }


def _round_up(dimension: float) -> int:
    # A share that is met exactly must not be missed by rounding.
    return int(np.ceil(dimension - 1e-9))
