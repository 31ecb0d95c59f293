"""The headline numbers of dimension: those of pooled images."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline

UNTRAINED = "the same layer of a network that learnt nothing"


def _of_images(metrics: dict[str, Any]) -> dict[str, Any]:
    found = metrics["image"]["global"]
    null = {key: each for key, each in found["null"].items() if key != "raw"}
    return {key: each for key, each in found.items() if key != "bias"} | {"null": null}


def _two_nn(metrics: dict[str, Any]) -> dict[str, Any]:
    found = metrics["image"]["two_nn"]
    return {key: each for key, each in found.items() if key not in ("gaussian", "half")}


HEADLINES = (
    Headline(
        "dimension_pca95",
        "PCA dimension",
        "principal components that hold the set share of the variance of pooled activations, "
        "corrected with held-out images",
        UNTRAINED,
        1,
        _of_images,
    ),
    Headline(
        "dimension_twonn",
        "Local dimension",
        "dimensions that pooled activations fill around each image, by its two nearest neighbours "
        "(TwoNN); above some 20 a lower bound",
        UNTRAINED,
        1,
        _two_nn,
    ),
)
