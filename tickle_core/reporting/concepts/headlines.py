"""The headline number of concepts: what share of pairs with classes is significant."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline


def _share(metrics: dict[str, Any]) -> dict[str, Any]:
    return metrics["tcav"]["significant_share"]


HEADLINES = (
    Headline(
        "tcav_significant_share",
        "TCAV, significant share",
        "share of pairs of a concept and a class that is no part of it whose logit rises or falls "
        "along the concept more steadily than along random sets of images",
        "the same for arbitrary groups of as many classes, random parts of classes and mixtures of "
        "textures",
        3,
        _share,
    ),
)
