"""What the stage `path` left."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """Its metrics and tables."""

    metrics: dict[str, Any]
    paths: pd.DataFrame
    profiles: pd.DataFrame
    switches: pd.DataFrame
    plane: pd.DataFrame
    maps: pd.DataFrame


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics_of("path"),
        *(
            context.read_table("path", name)
            for name in ("paths", "profiles", "switches", "plane", "maps")
        ),
    )
