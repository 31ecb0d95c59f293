"""The headline number of the atlas: how far clusters of patches are classes."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline


def _purity(metrics: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in metrics["purity"].items() if key != "untrained"}


HEADLINES = (
    Headline(
        "atlas_purity",
        "Purity",
        "share of patches whose image has the class that other images name for the patch's cluster",
        "classes shuffled between images",
        3,
        _purity,
    ),
)
