"""What in a layer causes the predictions: everything that the stage `circuits` reports."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import params
from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import ablation, patching, tracing
from tickle_core.circuits.images import read_images
from tickle_core.circuits.units import Directions, Latents, channels
from tickle_core.dictionaries.components import principal_components
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample
from tickle_core.errors import TickleError
from tickle_core.models.splicing import Splice

LEAST_IMAGES = 4  # two to rank units by, two to judge them on


@dataclass(frozen=True)
class Circuits:
    """What interventions on a layer do.

    Attributes
    ----------
    metrics
        JSON-ready: `images`, `ablation`, `patching`, `tracing`.
    units, classes, curves
        As `ablation.Ablation` has them.
    """

    metrics: dict[str, Any]
    units: pd.DataFrame
    classes: pd.DataFrame
    curves: pd.DataFrame


def analyse(
    store: ActivationStore,
    splice: Splice,
    sae: SparseAutoencoder,
    sample: Sample,
    section: params.Circuits,
    seed: int,
) -> Circuits:
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
    components = principal_components(sample).basis[: section.directions]
    families = {
        "channels": channels(store.tokens.shape[-1], components.device),
        "latents": Latents(sae),
        "directions": Directions(components),
    }
    found = ablation.ablate(families, store, ranking, judging, splice, section, seed)
    return Circuits(
        metrics={
            "images": {"ranking": len(ranking.ids), "judging": len(judging.ids)},
            "ablation": found.metrics,
            "patching": patching.patch(families, store, splice, section, seed),
            "tracing": tracing.trace(store, splice, section, seed),
        },
        units=found.units,
        classes=found.classes,
        curves=found.curves,
    )


def _halves(store: ActivationStore, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Held-out rows to rank units by and others to judge them on, both ascending."""
    rows = store.test_rows
    if len(rows) < LEAST_IMAGES:
        raise TickleError(
            f"{store.path} has {len(rows)} held-out images, but ablation needs {LEAST_IMAGES} at "
            "least: raise extract.test_images or add images"
        )
    drawn = np.random.default_rng(seed).permutation(rows)[:most]
    return np.sort(drawn[::2]), np.sort(drawn[1::2])
