"""The headline number of curvature: how far the points are from flat."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline


def _corrected(metrics: dict[str, Any]) -> dict[str, Any]:
    return metrics["by_gaussian"]


HEADLINES = (
    Headline(
        "curvature_corrected",
        "Curvature",
        "how much longer shortest paths through pooled activations are than straight lines, beyond "
        "those through a Gaussian of the same covariance; 0 is flat",
        "the same layer of a network that learnt nothing",
        3,
        _corrected,
    ),
)
