"""The headline numbers of circuits: what latents cause."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline, nothing


def _ablation_effect(metrics: dict[str, Any]) -> dict[str, Any]:
    """Of the largest group, ablated to the mean; no value where there is nothing to compare."""
    latents = metrics["ablation"]["latents"]
    if "kinds" not in latents:
        return nothing("no latent is active")
    return latents["kinds"]["mean"]["group"]["excess"]


def _patching_effect(metrics: dict[str, Any]) -> dict[str, Any]:
    """Of latents; no value where there are no two classes with images enough."""
    patching = metrics["patching"]
    if "why" in patching:
        return nothing(patching["why"])
    return patching["kinds"]["latents"]["influence"]


HEADLINES = (
    Headline(
        "ablation_effect",
        "Ablation effect",
        "what the logit of the predicted class loses when the top latents are set to their means, "
        "beyond what it loses with random groups of latents that change the layer as much, in "
        "standard deviations of that logit over images",
        "each of the random groups, beyond the others",
        3,
        _ablation_effect,
    ),
    Headline(
        "patching_effect",
        "Patching effect",
        "share of the way to the donor image's class that the model goes when latents are replaced "
        "by those of an image of another class; the screen finds them on other images of the two "
        "classes",
        "as many random directions, found likewise",
        3,
        _patching_effect,
    ),
)
