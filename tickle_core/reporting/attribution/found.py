"""What attribution left."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context


@dataclass(frozen=True)
class Found:
    """The metrics of the stage `attribution` and the tables that it writes."""

    metrics: dict[str, Any]
    curves: pd.DataFrame
    images: pd.DataFrame
    maps: pd.DataFrame
    randomised: pd.DataFrame


def read(context: Context) -> Found:
    """Read them; a missing file is a TickleError that names it."""
    return Found(
        context.read_metrics_of("attribution"),
        *(
            context.read_table("attribution", name)
            for name in ("curves", "images", "maps", "randomised")
        ),
    )
