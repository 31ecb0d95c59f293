"""The headline number of connectedness: what straight lines within a class cross."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline, nothing

LINEAR = "behind this layer the network is linear: within a class a straight line has no barrier"


def _barrier(metrics: dict[str, Any]) -> dict[str, Any]:
    if metrics["linear_tail"]:
        return nothing(LINEAR)
    found = metrics["straight"]["barrier"]
    return {key: each for key, each in found.items() if key != "untrained"}


HEADLINES = (
    Headline(
        "connectedness_barrier",
        "Barrier",
        "by how much the loss rises on the straight line between activations of two images of a "
        "class, above that of its ends (nats); 0 is connected",
        "pairs of different classes",
        3,
        _barrier,
    ),
)
