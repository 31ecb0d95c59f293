"""The headline number of deltas: what giving hijacked latents back undoes."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline, nothing


def _recovery(metrics: dict[str, Any]) -> dict[str, Any]:
    if "why" in metrics:
        return nothing(metrics["why"])
    return metrics["recovery"]["recovered"]


HEADLINES = (
    Headline(
        "delta_recovery",
        "Recovery",
        "share of adversarial images that are seen as before once the hijacked latents, which "
        "other images name, have their clean values back",
        "random latents that change as much of the layer",
        3,
        _recovery,
    ),
)
