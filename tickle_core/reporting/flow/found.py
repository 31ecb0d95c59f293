"""What concept flow left."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """The metrics of the stage `flow` and the tables that it writes."""

    metrics: dict[str, Any]
    layers: pd.DataFrame
    groups: pd.DataFrame
    images: pd.DataFrame


def read(context: Context) -> Found:
    """Read them, of the layers that there are; a missing file is a TickleError that names it."""
    tables = (context.read_table("flow", name) for name in ("layers", "groups", "images"))
    return Found(
        context.read_metrics_of("flow"),
        *(table[table["layer"].isin(list(context.layers))] for table in tables),
    )
