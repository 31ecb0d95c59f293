"""What the stage `delta` left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: its metrics and tables, and of the SAE's latents the images that excite them.

    `size` is that of perturbations in pixels.
    """

    size: dict[str, Any]

    metrics: dict[str, Any]
    latents: dict[str, pd.DataFrame]
    pairs: dict[str, pd.DataFrame]
    curve: dict[str, pd.DataFrame]
    outcomes: dict[str, pd.DataFrame]
    top_images: dict[str, pd.DataFrame]

    @property
    def told(self) -> dict[str, Any]:
        """The metrics of layers for which there were adversarial images enough."""
        return {alias: each for alias, each in self.metrics.items() if "why" not in each}


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics_of("attack")["size"],
        context.read_metrics("delta"),
        context.read_tables("delta", "latents"),
        context.read_tables("delta", "pairs"),
        context.read_tables("delta", "curve"),
        context.read_tables("delta", "outcomes"),
        context.read_tables("sae", "top_images"),
    )
