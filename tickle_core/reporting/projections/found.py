"""What the stage `projections` left, of all layers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """By layer: its metrics and its maps."""

    metrics: dict[str, Any]
    maps: dict[str, pd.DataFrame]


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(context.read_metrics("projections"), context.read_tables("projections", "maps"))
