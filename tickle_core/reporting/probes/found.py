"""What linear probes left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: the metrics of the stage `probes` and the tables that it writes."""

    metrics: dict[str, Any]
    positions: dict[str, pd.DataFrame]
    classes: dict[str, pd.DataFrame]
    confusion: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics("probes"),
        context.read_tables("probes", "positions"),
        context.read_tables("probes", "classes"),
        context.read_tables("probes", "confusion"),
    )
