"""What the stage `connectedness` left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: its metrics and tables."""

    metrics: dict[str, Any]
    pairs: dict[str, pd.DataFrame]
    points: dict[str, pd.DataFrame]
    strips: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics("connectedness"),
        context.read_tables("connectedness", "pairs"),
        context.read_tables("connectedness", "points"),
        context.read_tables("connectedness", "strips"),
    )
