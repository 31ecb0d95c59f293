"""An atlas of one layer: its patches in clusters, what each is, and whether they are classes."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tickle_core import statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.atlas import clustering, layout, patches, purity
from tickle_core.atlas.clustering import Clusters, Stability
from tickle_core.atlas.patches import Patches
from tickle_core.atlas.purity import Labelled
from tickle_core.geometry import nulls
from tickle_core.params.atlas import Atlas

WHY_CHOSEN = "chosen among the candidates by its stability"


@dataclass(frozen=True)
class Analysed:
    """What the clusters of a layer came to.

    Attributes
    ----------
    metrics
        JSON-ready: `clusters`, their number; `stability`, the adjusted Rand index of clusterings of
        halves, its null that of Gaussian points; `noise`, the share of patches that half of these
        clusterings put elsewhere; `purity`, `raw`, `majority` and `ami` of `purity.measure`, with
        `untrained`, the same of a network that learnt nothing; `half`, the purity from half of the
        images.
    cells
        One row per cluster: `cell`, `row` and `column` on the grid, `share` of the patches,
        `label`, its most frequent class, `class_share` of it, `steady`, the share that is no noise.
    patches
        One row per cell and rank of its most central patches, of different images: `image_id`,
        `position` among the layer's tokens.
    stability
        One row per candidate and resample: `clusters`, `observed`, `flat`.
    means
        (cells, d), and `drawn` the patches (n, d) that they are of.
    """

    metrics: dict[str, Any]
    cells: pd.DataFrame
    patches: pd.DataFrame
    stability: pd.DataFrame
    means: np.ndarray
    drawn: np.ndarray


def analyse(
    store: ActivationStore, untrained: ActivationStore, rows: np.ndarray, settings: Atlas, seed: int
) -> Analysed:
    """Cluster patches of held-out images.

    Parameters
    ----------
    untrained
        Of a network that learnt nothing.
    rows
        Rows of either store, of held-out images, ascending: (n,) each.
    """
    classes = store.labels[store.test_rows]
    # k-means in several threads sums in any order.
    with threadpool_limits(limits=1):
        drawn = patches.draw(store, rows, settings.patches, seed)
        most = len(drawn.points) // 4  # half of the images has twice as many patches
        counts = [count for count in settings.clusters if count <= most] or [max(1, most)]
        stability = clustering.stability(
            drawn.points, drawn.images, counts, settings.resamples, seed
        )
        count = stability.best
        found = clustering.cluster(drawn.points, drawn.images, count, settings.resamples, seed)
        nothing = patches.draw(
            untrained, _same_images(store, untrained, rows), settings.patches, seed
        )
        half = _half(drawn)
        measured = {
            name: purity.measure(
                Labelled(clustering.fit(each.points, count, seed)[1], each.images, classes),
                settings.draws,
                seed,
            )
            for name, each in {"untrained": nothing, "half": half}.items()
        }
        flat = nulls.matched_gaussian(drawn.points, np.random.default_rng([seed, 1]))
        noise_null = clustering.cluster(flat, drawn.images, count, settings.resamples, seed)
    labelled = Labelled(found.labels, drawn.images, classes)
    own = purity.measure(labelled, settings.draws, seed)
    metrics = {
        "clusters": {"value": count, "interval": None, "n": len(rows), "why": WHY_CHOSEN},
        "stability": statistics.drawn(stability.observed[count])
        | {"null": statistics.drawn(stability.flat[count])},
        "noise": _noise(found, drawn, seed) | {"null": _noise(noise_null, drawn, seed)},
        **{
            name: each | ({"untrained": measured["untrained"][name]} if name != "majority" else {})
            for name, each in own.items()
        },
        "half": measured["half"]["purity"],
    }
    return Analysed(
        metrics,
        _cells(found, labelled),
        _central(found, drawn, store, settings.shown),
        _table(stability),
        np.stack([drawn.points[found.labels == cell].mean(0) for cell in range(count)]),
        drawn.points,
    )


def _same_images(store: ActivationStore, other: ActivationStore, rows: np.ndarray) -> np.ndarray:
    return np.searchsorted(other.image_ids, store.image_ids[rows])


def _half(drawn: Patches) -> Patches:
    """Patches of every other image."""
    there = np.unique(drawn.images)[::2]
    kept = np.isin(drawn.images, there)
    return replace(
        drawn,
        points=drawn.points[kept],
        images=drawn.images[kept],
        positions=drawn.positions[kept],
    )


def _noise(found: Clusters, drawn: Patches, seed: int) -> dict[str, Any]:
    """Share of the patches that are not steady, over images."""
    of_image = pd.Series(~found.steady).groupby(drawn.images).mean().to_numpy(float)
    return statistics.mean_estimate(of_image, seed)


def _cells(found: Clusters, labelled: Labelled) -> pd.DataFrame:
    places = layout.grid(found.centres)
    classes = labelled.classes[labelled.images]
    rows = []
    for cell, (row, column) in enumerate(places.tolist()):
        own = found.labels == cell
        counts = np.bincount(classes[own])
        rows.append(
            {
                "cell": cell,
                "row": row,
                "column": column,
                "share": own.mean(),
                "label": int(counts.argmax()),
                "class_share": counts.max() / own.sum(),
                "steady": found.steady[own].mean(),
            }
        )
    return pd.DataFrame(rows)


def _central(found: Clusters, drawn: Patches, store: ActivationStore, shown: int) -> pd.DataFrame:
    """The patches nearest to each centre, one per image."""
    ids = store.image_ids[store.test_rows]
    tables = []
    for cell, centre in enumerate(found.centres):
        own = np.flatnonzero(found.labels == cell)
        order = own[np.argsort(np.square(drawn.points[own] - centre).sum(1), kind="stable")]
        table = pd.DataFrame({"image": drawn.images[order], "position": drawn.positions[order]})
        table = table.drop_duplicates("image").head(shown).reset_index(names="rank")
        table = table.assign(cell=cell, rank=range(len(table)), image_id=ids[table["image"]])
        tables.append(table[["cell", "rank", "image_id", "position"]])
    return pd.concat(tables, ignore_index=True)


def _table(stability: Stability) -> pd.DataFrame:
    rows = [
        {"clusters": count, "observed": observed, "flat": flat}
        for count, scores in stability.observed.items()
        for observed, flat in zip(scores, stability.flat[count], strict=True)
    ]
    return pd.DataFrame(rows)
