"""What the dimension stages left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: the metrics of the stage `dimension` and the tables that it writes."""

    metrics: dict[str, Any]
    spectra: dict[str, pd.DataFrame]
    scales: dict[str, pd.DataFrame]
    sets: dict[str, pd.DataFrame]
    any_set: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics("dimension"),
        context.read_tables("dimension", "spectrum"),
        context.read_tables("dimension", "scales"),
        context.read_tables("dimension", "sets"),
        context.read_tables("dimension", "any_set"),
    )
