"""What the stage `attack` left."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.datasets.image_set import ImageSet
from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """Its metrics, its tables, and the images that it made with what each is."""

    metrics: dict[str, Any]
    classes: pd.DataFrame
    flips: pd.DataFrame
    perturbed: pd.DataFrame
    images: ImageSet


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics_of("attack"),
        context.read_table("attack", "classes"),
        context.read_table("attack", "flips"),
        context.read_table("attack", "perturbed"),
        ImageSet.open(context.data / "attack" / "perturbed"),
    )
