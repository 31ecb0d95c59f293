"""The headline number of the network itself."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline, nothing


def _accuracy(metrics: dict[str, Any]) -> dict[str, Any]:
    return metrics["accuracy"] or nothing("no class of the images is one of the model's")


HEADLINES = (
    Headline(
        "model_accuracy",
        "Model accuracy",
        "share of the test split that the model itself classifies rightly",
        "always guessing the most frequent of its classes",
        3,
        _accuracy,
    ),
)
