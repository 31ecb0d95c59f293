"""What in a layer causes the predictions: everything that the stage `circuits` reports."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import logistic
from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import ablation, patching, tracing
from tickle_core.circuits.images import read_images
from tickle_core.dictionaries.components import principal_components
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample
from tickle_core.errors import TickleError
from tickle_core.interventions.units import Directions, Latents, Units, channels
from tickle_core.models.splicing import Splice
from tickle_core.params.circuits import Circuits

LEAST_IMAGES = 4  # two to rank units by, two to judge them on


@dataclass(frozen=True)
class Interventions:
    """What interventions on a layer do.

    Attributes
    ----------
    metrics
        JSON-ready: `images`, `ablation`, `patching`, `tracing`.
    tables
        By name: `ablation`, `class_effects` and `curves` (`ablation.Ablation` has them as units,
        classes and curves), `patching` (`patching_summary.Patching`), `sites` and `traces`
        (`tracing.Tracing`).
    """

    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def analyse(
    store: ActivationStore,
    splice: Splice,
    sae: SparseAutoencoder,
    sample: Sample,
    section: Circuits,
    seed: int,
) -> Interventions:
    """Ablate, patch and restore parts of a layer on held-out images.

    Only the tail runs, on stored activations. The class of an image is what the model predicts
    for it, so that nothing depends on whether the data set's classes are the model's.

    Parameters
    ----------
    sample
        Train tokens, from which the directions come: principal components.

    Raises
    ------
    TickleError
        If there are too few held-out images.
    """
    ranking, judging = (
        read_images(store, rows, seed) for rows in _halves(store, section.images, seed)
    )
    measuring = read_images(store, _draw(store, store.train_rows, section.images, seed), seed)
    components = principal_components(sample).basis[: section.directions]
    axes, latents = channels(store.tokens.shape[-1], components.device), Latents(sae)
    families: dict[str, Units] = {
        "channels": axes,
        "latents": latents,
        "directions": Directions(components),
    }
    ablated = ablation.ablate(families, store, measuring, ranking, judging, splice, section, seed)
    patched = patching.patch(axes, latents, sample, store, splice, section, seed)
    traced = tracing.trace(store, splice, section, seed)
    return Interventions(
        metrics={
            "images": {
                "measuring": len(measuring.ids),
                "ranking": len(ranking.ids),
                "judging": len(judging.ids),
            },
            "ablation": ablated.metrics,
            "patching": patched.metrics,
            "tracing": traced.metrics,
        },
        tables={
            "ablation": ablated.units,
            "class_effects": ablated.classes,
            "curves": ablated.curves,
            "patching": patched.cells,
            "sites": traced.sites,
            "traces": traced.examples,
        },
    )


def _halves(store: ActivationStore, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Held-out rows to rank units by and others to judge them on, both ascending."""
    rows = store.test_rows
    if len(rows) < LEAST_IMAGES:
        raise TickleError(
            f"{store.path} has {len(rows)} held-out images, but ablation needs {LEAST_IMAGES} at "
            "least: raise extract.test_images or add images"
        )
    drawn = _draw(store, rows, most, seed)
    # By turns within each class, so that both halves have as many of it.
    by_class = drawn[np.argsort(store.predictions(drawn), kind="stable")]
    return np.sort(by_class[::2]), np.sort(by_class[1::2])


def _draw(store: ActivationStore, rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many of the rows, in which the predicted classes keep their shares; ascending.

    What units carry differs between classes, and so would samples that have other ones.
    """
    return rows[logistic.draw_rows(store.predictions(rows), most, seed)]
