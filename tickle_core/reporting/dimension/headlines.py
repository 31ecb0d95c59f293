"""The headline number of PCA dimension: that of pooled images."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline


def _of_images(metrics: dict[str, Any]) -> dict[str, Any]:
    found = metrics["image"]["global"]
    null = {key: each for key, each in found["null"].items() if key != "raw"}
    return {key: each for key, each in found.items() if key != "bias"} | {"null": null}


HEADLINES = (
    Headline(
        "dimension_pca95",
        "PCA dimension",
        "principal components that hold the set share of the variance of pooled activations, "
        "corrected with held-out images",
        "the same layer of a network that learnt nothing",
        1,
        _of_images,
    ),
)
