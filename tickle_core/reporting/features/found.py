"""What feature visualization left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: the metrics of the stage `features` and the tables that it writes."""

    metrics: dict[str, Any]
    pictures: dict[str, pd.DataFrame]
    natural: dict[str, pd.DataFrame]
    roads: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics("features"),
        context.read_tables("features", "pictures"),
        context.read_tables("features", "natural"),
        context.read_tables("features", "roads"),
    )
