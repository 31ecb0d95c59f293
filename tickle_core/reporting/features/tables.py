"""The table of the section on feature visualization."""

from typing import Any

from tickle_core.reporting.features.gallery import FAMILIES
from tickle_core.reporting.kit.tables import Column, Table


def layer_table(layers: dict[str, dict[str, Any]]) -> Table:
    """One row per layer and family of units."""
    columns = (
        Column("layer", "Layer"),
        Column("family", "Units"),
        Column("units", "n", 0),
        Column("pictures", "Pictures", 0),
        Column("above_natural", "Above all natural images", 2, interval=True),
        Column("above_natural_null", "random units", 2),
        Column("above_by_maximum", "by the maximum", 2, interval=True),
        Column("above_by_mean", "by the mean", 2, interval=True),
        Column("above_noise", "Above all noise", 2, interval=True),
        Column("ratio", "Score (noise 0, best natural 1)", 2, interval=True),
        Column("ratio_null", "random units", 2),
        Column("natural_high", "99 % of natural images", 2, interval=True),
        Column("other_road", "Another road", 2, interval=True),
        Column("other_road_null", "chance", 2),
        Column("similarity", "Similarity", 2, interval=True),
        Column("similarity_null", "to other units", 2),
        Column("fires", "Fires", 2, interval=True),
        Column("fires_null", "on noise", 2),
    )
    rows = [
        {"layer": alias, **found, **_nulls(found), "family": FAMILIES[family]}
        for alias, families in layers.items()
        for family, found in families.items()
    ]
    return Table(columns, rows)


def _nulls(found: dict[str, Any]) -> dict[str, Any]:
    estimates = {name: each for name, each in found.items() if isinstance(each, dict)}
    return {f"{name}_null": each["null"] for name, each in estimates.items()}
