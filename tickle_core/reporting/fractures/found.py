"""What the stage `fractures` left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: its metrics and tables."""

    metrics: dict[str, Any]
    units: dict[str, pd.DataFrame]
    fragments: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics("fractures"),
        context.read_tables("fractures", "units"),
        context.read_tables("fractures", "fragments"),
    )
