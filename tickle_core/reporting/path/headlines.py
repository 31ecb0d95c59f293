"""The headline number of paths: what the cheapest one costs beyond the least that any can."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline, nothing


def _excess(metrics: dict[str, Any]) -> dict[str, Any]:
    return nothing(metrics["why"]) if "why" in metrics else metrics["pixels"]["excess"]


HEADLINES = (
    Headline(
        "path_excess",
        "Excess of paths",
        "what the cheapest path found from an image to one of another class costs beyond the least "
        "that any path can, in parts of that (median); 0 goes straight up the gradient",
        "the straight line between the images",
        2,
        _excess,
    ),
)
