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
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics_of("flow"),
        *(context.read_table("flow", name) for name in ("layers", "groups", "images")),
    )
