"""How much the points of one layer bend, beyond what sampling makes of flat ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tickle_core import statistics
from tickle_core.geometry import bending, geodesics, intrinsic, jackknife, nulls
from tickle_core.geometry.bending import corrected
from tickle_core.geometry.clouds import Cloud
from tickle_core.geometry.neighbours import Neighbours, distinct, nearest

if TYPE_CHECKING:
    from tickle_core.params.curvature import Curvature

LEAST_IMAGES = 50  # of a class: with fewer, half of all paths are single edges
SHARED = "pairs share images"
OF_CUBE = "rounded, as the cube needs it"
MEASURED = ("kappa", "gaussian", "cube", "by_gaussian", "by_cube", "unreachable", "dimension")
NOTHING: dict[str, Any] = dict.fromkeys(MEASURED, {"value": None, "interval": None, "n": 0})

Flat = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Analysed:
    """What the bending of one layer came to.

    Attributes
    ----------
    metrics
        JSON-ready, for all images: `kappa`, its null as many points of a Gaussian of the same
        covariance, `cube` those of a cube of the same local dimension; `by_gaussian` and `by_cube`,
        kappa* against either, their null the same of a network that learnt nothing; `half`, these
        from half the images; `unreachable`, the share of pairs without a path; `dimension`, that of
        the cube.
    classes
        Per `label`: `n`, `kappa`, `gaussian`, `cube` (of draws), `by_gaussian` and `by_cube` with
        their ends `*_low` and `*_high`, `unreachable`. Each class is a draw of as many images as
        the smallest has.
    by_count
        Per `of` (trained, untrained) and `neighbours`: `kappa`, `gaussian`, `cube` (one draw each),
        `by_gaussian`, `by_cube`, `unreachable`.
    paths
        Per `side` (most, least), `rank` and `step`: `image`, place among the images of the cloud,
        and `kappa` of the whole path.
    """

    metrics: dict[str, Any]
    classes: pd.DataFrame
    by_count: pd.DataFrame
    paths: pd.DataFrame


def analyse(
    trained: Cloud,
    untrained: Cloud,
    labels: np.ndarray,
    blocks: Mapping[str, np.ndarray],
    settings: "Curvature",
    seed: int,
) -> Analysed:
    """Curvature of a layer, from the pooled vectors of its images.

    Parameters
    ----------
    untrained
        Of the same layer of a network that learnt nothing.
    labels
        (n,) classes of the trained cloud's images.
    blocks
        The group of each point of either cloud, "trained" and "untrained", for intervals.
    """
    # One thread: of small samples, more only wait for each other, for long on a busy machine.
    with threadpool_limits(limits=1):
        return _analyse(trained, untrained, labels, blocks, settings, seed)


def _analyse(
    trained: Cloud,
    untrained: Cloud,
    labels: np.ndarray,
    blocks: Mapping[str, np.ndarray],
    settings: "Curvature",
    seed: int,
) -> Analysed:
    rng, class_rng, half_rng = np.random.default_rng(seed).spawn(3)
    clouds = {"trained": trained, "untrained": untrained}
    own, null = (
        measure(cloud.points, cloud.neighbours, blocks[of], settings, rng)
        for of, cloud in clouds.items()
    )
    by_count = [_by_count(cloud, settings, rng).assign(of=of) for of, cloud in clouds.items()]
    half = blocks["trained"] < settings.groups // 2
    halved = measure(
        trained.points[half],
        trained.neighbours.within(half),
        blocks["trained"][half],
        settings,
        half_rng,
    )
    metrics = {
        "kappa": own["kappa"] | {"null": own["gaussian"]},
        "cube": own["cube"],
        **{name: own[name] | {"null": null[name]} for name in ("by_gaussian", "by_cube")},
        "half": {name: halved[name] for name in ("by_gaussian", "by_cube")},
        "unreachable": own["unreachable"] | {"null": null["unreachable"]["value"]},
        "dimension": own["dimension"] | {"null": null["dimension"]},
        "least_images": LEAST_IMAGES,
    }
    classes = _classes(trained.points, labels, settings, class_rng)
    paths = _paths(trained, settings, rng)
    return Analysed(metrics, classes, pd.concat(by_count, ignore_index=True), paths)


def measure(
    points: np.ndarray,
    neighbours: Neighbours,
    groups: np.ndarray,
    settings: "Curvature",
    rng: np.random.Generator,
) -> dict[str, Any]:
    """The bending of points (n, d) beside that of flat ones.

    Parameters
    ----------
    groups
        (n,) that are left out in turn.

    Returns
    -------
    dict
        `kappa`, `gaussian`, `cube`, `by_gaussian`, `by_cube`, `unreachable`, `dimension`.
    """
    n, count = len(points), settings.neighbours
    sources = _sources(n, settings, rng)
    dimension = max(1, round(intrinsic.two_nn(neighbours.distances)))
    own = bending.bending(points, geodesics.graph(neighbours, count), sources)
    without = bending.without_groups(points, neighbours, groups, count, sources)
    drawn = {
        name: np.array(
            [bending.of_sample(flat(rng), count, sources).kappa for _ in range(settings.draws)]
        )
        for name, flat in _flat(points, dimension).items()
    }
    return {
        "kappa": jackknife.estimate(own.kappa, without, n),
        **{name: statistics.drawn(draws) for name, draws in drawn.items()},
        **{f"by_{name}": _corrected(own.kappa, without, drawn[name], n) for name in drawn},
        "unreachable": {"value": own.unreachable, "interval": None, "n": n, "why": SHARED},
        "dimension": {"value": dimension, "interval": None, "n": n, "why": OF_CUBE},
    }


def _sources(n: int, settings: "Curvature", rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(n, min(settings.sources, n), replace=False))


def _flat(points: np.ndarray, dimension: int) -> dict[str, Flat]:
    """How samples of either kind are drawn that are flat."""
    return {
        "gaussian": lambda rng: nulls.matched_gaussian(points, rng),
        "cube": lambda rng: rng.random((len(points), dimension)),
    }


def _by_count(cloud: Cloud, settings: "Curvature", rng: np.random.Generator) -> pd.DataFrame:
    """A row per number of neighbours that paths may go along: one draw of each flat sample."""
    counts = sorted({settings.neighbours, *settings.others})
    sources = _sources(len(cloud.points), settings, rng)
    dimension = max(1, round(intrinsic.two_nn(cloud.neighbours.distances)))
    samples = {"kappa": (cloud.points, cloud.neighbours)}
    for name, flat in _flat(cloud.points, dimension).items():
        points = flat(rng)
        samples[name] = points, nearest(points, counts[-1])
    rows = []
    for count in counts:
        found = {
            name: bending.bending(points, geodesics.graph(near, count), sources)
            for name, (points, near) in samples.items()
        }
        row = {name: each.kappa for name, each in found.items()}
        for name in ("gaussian", "cube"):
            row[f"by_{name}"] = corrected(row["kappa"], row[name])
        row["unreachable"] = found["kappa"].unreachable
        rows.append({"neighbours": count} | row)
    return pd.DataFrame(rows)


def _corrected(kappa: float, without: np.ndarray, draws: np.ndarray, n: int) -> dict[str, Any]:
    """kappa* as an estimate; both the points and the draws of the null are a sample."""
    value = corrected(kappa, float(draws.mean()))
    own = float(jackknife.error(np.log1p(without)))
    of_null = float(np.log1p(draws).std(ddof=1)) / len(draws) ** 0.5
    reach = jackknife.quantile(len(without)) * np.hypot(own, of_null)
    if not np.isfinite(reach):
        return {"value": None, "interval": None, "n": n, "why": "no path joins distant images"}
    ends = [float((1 + value) * np.exp(side * reach) - 1) for side in (-1, 1)]
    return {"value": float(value), "interval": ends, "n": n}


def _row(found: dict[str, Any]) -> dict[str, Any]:
    """What was measured as a row of a table."""
    ends = {
        f"{name}_{end}": (found[name]["interval"] or (np.nan, np.nan))[place]
        for name in ("kappa", "by_gaussian", "by_cube")
        for place, end in enumerate(("low", "high"))
    }
    values = {
        name: np.nan if each["value"] is None else float(each["value"])
        for name, each in found.items()
    }
    return {"n": found["kappa"]["n"]} | values | ends


def _classes(
    points: np.ndarray, labels: np.ndarray, settings: "Curvature", rng: np.random.Generator
) -> pd.DataFrame:
    names, sizes = np.unique(labels, return_counts=True)
    names, sizes = names[sizes >= LEAST_IMAGES], sizes[sizes >= LEAST_IMAGES]
    rows = []
    for name in names:
        drawn = np.sort(rng.choice(np.flatnonzero(labels == name), sizes.min(), replace=False))
        first, near = distinct(points[drawn], len(drawn) - 1)
        own = drawn[first == np.arange(len(drawn))]
        groups = np.arange(len(own)) % settings.groups
        found = measure(points[own], near, groups, settings, rng)
        rows.append({"label": int(name)} | _row(found))
    columns = ["label", *_row(NOTHING)]
    return pd.DataFrame(rows, columns=columns).astype({"label": np.int64, "n": np.int64})


def _paths(cloud: Cloud, settings: "Curvature", rng: np.random.Generator) -> pd.DataFrame:
    """Those that bend most and least between distant images, one of each source at most."""
    sources = _sources(len(cloud.points), settings, rng)
    edges = geodesics.graph(cloud.neighbours, settings.neighbours)
    apart, along = bending.pair_distances(cloud.points, edges, sources)
    far = np.isfinite(along) & (apart >= np.nanmedian(apart))
    rows = []
    for side, sign in {"most": -1, "least": 1}.items():
        ratio = np.where(far, sign * along / apart, np.inf)
        best = ratio.argmin(1)
        order = np.argsort(ratio[np.arange(len(sources)), best], kind="stable")
        for rank, source in enumerate(order[: settings.shown]):
            last = best[source]
            if not far[source, last]:
                continue
            kappa = float(along[source, last] / apart[source, last]) - 1
            found = geodesics.path(edges, int(sources[source]), int(last))
            rows += [(side, rank, step, image, kappa) for step, image in enumerate(found)]
    return pd.DataFrame(rows, columns=["side", "rank", "step", "image", "kappa"])
