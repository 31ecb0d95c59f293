"""What circuits left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: the metrics of the stage `circuits` and the tables that it writes."""

    metrics: dict[str, Any]
    ablation: dict[str, pd.DataFrame]
    class_effects: dict[str, pd.DataFrame]
    curves: dict[str, pd.DataFrame]
    patching: dict[str, pd.DataFrame]
    sites: dict[str, pd.DataFrame]
    traces: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics("circuits"),
        context.read_tables("circuits", "ablation"),
        context.read_tables("circuits", "class_effects"),
        context.read_tables("circuits", "curves"),
        context.read_tables("circuits", "patching"),
        context.read_tables("circuits", "sites"),
        context.read_tables("circuits", "traces"),
    )
