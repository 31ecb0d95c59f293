"""The headline number of attacks: how many images fall."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline


def _success(metrics: dict[str, Any]) -> dict[str, Any]:
    return metrics["success"]


HEADLINES = (
    Headline(
        "attack_success_rate",
        "Attacks succeed",
        "share of correctly classified images whose prediction PGD changes within the radius that "
        "is studied, with 8 bits",
        "random noise of the same size, of several draws any",
        3,
        _success,
    ),
)
