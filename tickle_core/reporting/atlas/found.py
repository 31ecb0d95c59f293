"""What the stage `atlas` left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: its metrics and tables."""

    metrics: dict[str, Any]
    cells: dict[str, pd.DataFrame]
    patches: dict[str, pd.DataFrame]
    stability: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics("atlas"),
        context.read_tables("atlas", "cells"),
        context.read_tables("atlas", "patches"),
        context.read_tables("atlas", "stability"),
    )
