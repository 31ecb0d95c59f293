"""What the stage `curvature` left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: its metrics and tables."""

    metrics: dict[str, Any]
    classes: dict[str, pd.DataFrame]
    by_count: dict[str, pd.DataFrame]
    paths: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics("curvature"),
        context.read_tables("curvature", "classes"),
        context.read_tables("curvature", "by_count"),
        context.read_tables("curvature", "paths"),
    )
