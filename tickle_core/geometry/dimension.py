"""The dimension of one layer: of all images and tokens, of classes and concepts, at every scale.

Four kinds of number, which need not agree. How many principal components hold the variance
(`pca`), and over how many directions it is spread (`participation`), are matters of the covariance:
a curve that winds through many dimensions has them all. How many dimensions points fill around each
of them (`intrinsic`) is a matter of nearest neighbours, and of the scale.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tickle_core.geometry import intrinsic, jackknife, pca
from tickle_core.geometry.captured import Captured, captured
from tickle_core.geometry.clouds import Cloud, Unit
from tickle_core.geometry.local import local_dimensions
from tickle_core.geometry.moments import (
    Moments,
    assign_blocks,
    block_moments,
    covariance_eigenvalues,
    in_own_span,
    merge,
)
from tickle_core.geometry.neighbours import distinct
from tickle_core.geometry.participation import participation

if TYPE_CHECKING:
    from tickle_core.params.dimension import Dimension


# Below it a set of images says nothing: n of them span at most n - 1 dimensions.
LEAST_IMAGES = 10


@dataclass(frozen=True)
class LayerVectors:
    """The vectors of N images in a layer.

    Attributes
    ----------
    images
        One pooled vector per image, (N, d).
    tokens
        Chunks of token vectors, (n, d), and their blocks, (n,). All tokens of image i belong in
        block `assign_blocks(N, settings.blocks, seed)[i]`. They are read once.
    clouds
        By unit, the points that have neighbours.
    """

    images: np.ndarray
    tokens: Iterable[tuple[np.ndarray, np.ndarray]]
    clouds: Mapping[Unit, Cloud]


@dataclass(frozen=True)
class Analysed:
    """What the dimensions of one layer came to.

    Attributes
    ----------
    metrics
        JSON-ready. `width` (d), and for each unit ("image", "token") estimates over `n` images,
        each with the same of a network that learnt nothing as its null:

        `global`
            Principal components (`pca.estimate`), with `bias`, what as many independent vectors of
            a Gaussian of this covariance show too much (`pca.sampling_bias`). For tokens, `tokens`
            is their number, and the bias is that of as many independent ones: that the tokens of an
            image are not independent is in the estimate alone.
        `by_n`
            The same from a quarter and a half of the images, where the blocks allow.
        `participation`
            The participation ratio.
        `two_nn`, `mle`, `local_pca`
            Of `intrinsic`; with `gaussian`, what draws of a Gaussian of the same covariance show;
            `half`, the estimate from half the images; `at_least`, whether it is a lower bound.
        `copies`
            Points that are copies of others, and were left out for the last three.
        `least_images`
            `LEAST_IMAGES`.
    spectrum
        Per `unit` and number of `components` the cumulative share of the variance that they
        capture, `shown` and `held_out`.
    scales
        The multi-scale curve, per `of` (trained, untrained, gaussian), `unit` and `neighbours` (n
        of `intrinsic.gride`): mean `radius` of the 2n-th neighbour, `value`, its ends `low` and
        `high` (of draws, their range).
    sets
        Per `kind` (class, concept), `name` and `estimator` (pca, participation, two_nn, mle): `n`,
        `value`, `low`, `high`, `raw`; NaN where images are too few. Dimensions compare only at
        equal n, so each set is a random draw of as many images as the smallest class has.
    any_set
        What the sets compare with: the same, of draws of as many images of any kind.
    """

    metrics: dict[str, Any]
    spectrum: pd.DataFrame
    scales: pd.DataFrame
    sets: pd.DataFrame
    any_set: pd.DataFrame


def analyse(
    trained: LayerVectors,
    untrained: LayerVectors,
    sets: Mapping[str, Mapping[str, np.ndarray]],
    settings: "Dimension",
    seed: int,
) -> Analysed:
    """Dimensions of a layer.

    Parameters
    ----------
    untrained
        The same layer of a network that learnt nothing, for the same images.
    sets
        By kind and name, places of their images among the N.
    settings
        The section `dimension` of params.yaml.
    seed
        Of every random draw.

    Raises
    ------
    TickleError
        If a block is empty or a vector is not finite.
    """
    rng, local_rng = np.random.default_rng(seed).spawn(2)
    width, n = trained.images.shape[1], len(trained.images)
    blocks = assign_blocks(n, settings.blocks, seed)
    # One thread: at most widths more of them only wait for each other.
    with threadpool_limits(limits=1):
        parts, null_parts = (
            _moments(each, blocks, settings.blocks) for each in (trained, untrained)
        )
        found = {unit: captured(each, width) for unit, each in parts.items()}
        metrics: dict[str, Any] = {"width": width}
        for unit in parts:
            null = pca.estimate(captured(null_parts[unit], width), settings.variance, n)
            metrics[unit] = {
                "global": _describe(found[unit], parts[unit], n, settings, rng) | {"null": null},
                "by_n": _by_n(parts[unit], width, settings.variance),
                "participation": participation(parts[unit], n)
                | {"null": participation(null_parts[unit], n)},
            }
        metrics["token"]["global"]["tokens"] = merge(parts["token"]).n
        metrics["image"]["least_images"] = LEAST_IMAGES
        scales = []
        for unit, cloud in trained.clouds.items():
            null_cloud = untrained.clouds[unit]
            local, curve = local_dimensions(cloud, null_cloud, blocks, settings, local_rng)
            metrics[unit] |= local | {"copies": cloud.copies}
            scales.append(curve.assign(unit=unit))
        of_sets = _sets(trained.images, sets, settings, rng)
    return Analysed(metrics, _spectrum(found), pd.concat(scales, ignore_index=True), *of_sets)


def _moments(
    vectors: LayerVectors, blocks: np.ndarray, count: int
) -> dict[Unit, Sequence[Moments]]:
    return {
        "image": block_moments([(in_own_span(vectors.images), blocks)], count),
        "token": block_moments(vectors.tokens, count),
    }


def _describe(
    found: Captured,
    blocks: Sequence[Moments],
    n: int,
    settings: "Dimension",
    rng: np.random.Generator,
) -> dict[str, Any]:
    whole = merge(blocks)
    eigenvalues = np.pad(covariance_eigenvalues(whole), (0, len(found.shown) - len(whole.mean)))
    bias = pca.sampling_bias(eigenvalues, whole.n, settings.variance, settings.draws, rng)
    return pca.estimate(found, settings.variance, n) | {"bias": bias}


def _by_n(blocks: Sequence[Moments], width: int, variance: float) -> list[dict[str, Any]]:
    """From the first quarter and half of the blocks, which are random groups of images."""
    parts = [blocks[: len(blocks) // share] for share in (4, 2)]
    return [
        pca.estimate(captured(part, width), variance, merge(part).n)
        for part in parts
        if len(part) >= 2
    ]


def _sets(
    vectors: np.ndarray,
    sets: Mapping[str, Mapping[str, np.ndarray]],
    settings: "Dimension",
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `sets` and `any_set`."""
    sizes = [len(each) for each in sets["class"].values() if len(each) >= LEAST_IMAGES]
    n = min(sizes, default=0)

    def draw(members: np.ndarray) -> pd.DataFrame:
        rows = vectors[rng.choice(members, n, replace=False)]
        return _table(_of_set(rows, settings))

    found = [
        draw(members).assign(kind=kind, name=name)
        for kind, named in sets.items()
        for name, members in named.items()
        if n and len(members) >= n
    ]
    drawn = [
        draw(np.arange(len(vectors))).assign(draw=number)
        for number in range(settings.draws if n else 0)
    ]
    empty = _table({})
    return (
        pd.concat([empty.assign(kind="", name=""), *found], ignore_index=True),
        pd.concat([empty.assign(draw=0), *drawn], ignore_index=True),
    )


def _of_set(rows: np.ndarray, settings: "Dimension") -> dict[str, dict[str, Any]]:
    """By estimator, the dimension of the pooled vectors of a few images, drawn at random."""
    n, width = rows.shape
    own = in_own_span(rows)
    # Drawn at random, so any cut is: every block is as good as another.
    blocks = np.arange(n) % min(n // 2, settings.blocks)
    parts = block_moments([(own, blocks)], blocks.max() + 1)
    found = {
        "pca": pca.estimate(captured(parts, width), settings.variance, n),
        "participation": participation(parts, n),
    }
    first, near = distinct(rows, n - 1)
    groups = blocks[first == np.arange(n)]
    without = [near.within(groups != group).distances for group in np.unique(groups)]
    for name, of in {"two_nn": intrinsic.two_nn, "mle": intrinsic.mle}.items():
        each = [of(distances) for distances in without]
        found[name] = jackknife.estimate(of(near.distances), each, len(groups))
    return found


def _table(estimates: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    rows = [
        (name, each["n"], each["value"], *(each["interval"] or (None, None)), each.get("raw"))
        for name, each in estimates.items()
    ]
    table = pd.DataFrame(rows, columns=["estimator", "n", "value", "low", "high", "raw"])
    numbers = dict.fromkeys(["value", "low", "high", "raw"], np.float64)
    return table.astype({"estimator": str, "n": np.int64} | numbers)


def _spectrum(units: Mapping[Unit, Captured]) -> pd.DataFrame:
    tables = {
        unit: pd.DataFrame(
            {
                "components": np.arange(1, len(found.shown) + 1),
                "shown": found.shown,
                "held_out": found.held_out,
            }
        )
        for unit, found in units.items()
    }
    return pd.concat(tables, names=["unit"]).reset_index("unit")
