"""What sparse autoencoders left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: the metrics of the stage `sae` and the tables that it writes."""

    metrics: dict[str, Any]
    latents: dict[str, pd.DataFrame]
    top_images: dict[str, pd.DataFrame]
    activations: dict[str, pd.DataFrame]
    pca: dict[str, pd.DataFrame]
    sparse_probing: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics("sae"),
        context.read_tables("sae", "latents"),
        context.read_tables("sae", "top_images"),
        context.read_tables("sae", "activations"),
        context.read_tables("sae", "pca"),
        context.read_tables("sae", "sparse_probing"),
    )
