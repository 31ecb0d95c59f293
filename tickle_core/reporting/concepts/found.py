"""What concepts left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context

FOLDER = "concept_vectors"


@dataclass(frozen=True)
class Found:
    """By layer: the metrics of the stage `concepts` and the tables that it writes."""

    metrics: dict[str, Any]
    concepts: dict[str, pd.DataFrame]
    tcav: dict[str, pd.DataFrame]
    relations: dict[str, pd.DataFrame]
    latents: dict[str, pd.DataFrame]
    maps: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics("concepts"),
        *(
            context.read_tables(FOLDER, name)
            for name in ("concepts", "tcav", "relations", "latents", "maps")
        ),
    )
