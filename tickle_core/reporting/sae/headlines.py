"""The headline numbers of sparse autoencoders: those of the main one."""

from typing import Any

from tickle_core.reporting.kit.headline import Headline, nothing, without_null


def _fvu(metrics: dict[str, Any]) -> dict[str, Any]:
    return metrics["saes"]["main"]["fvu"]


def _l0(metrics: dict[str, Any]) -> dict[str, Any]:
    return without_null(metrics["saes"]["main"]["l0"], "k decides it")


def _dead_share(metrics: dict[str, Any]) -> dict[str, Any]:
    dead = metrics["saes"]["main"]["dead_share"]
    return without_null(dead, "none is best, whatever is learnt")


def _accuracy_drop(metrics: dict[str, Any]) -> dict[str, Any]:
    drop = metrics["saes"]["main"]["accuracy_drop"]
    return drop or nothing("no class of the images is one of the model's")


HEADLINES = (
    Headline(
        "sae_fvu",
        "FVU",
        "fraction of variance unexplained by the sparse autoencoder's reconstruction",
        "a dictionary of random directions, spread as the tokens are and coded by orthogonal "
        "matching pursuit",
        3,
        _fvu,
    ),
    Headline("sae_l0", "L0", "latents that are active per token, on average", "", 1, _l0),
    Headline(
        "sae_dead_share",
        "Dead latents",
        "share of latents that fire on no held-out token",
        "",
        3,
        _dead_share,
    ),
    Headline(
        "sae_spliced_accuracy_drop",
        "Accuracy lost by splicing",
        "accuracy that the model loses when the layer is replaced by the autoencoder's "
        "reconstruction of it; what PCA with as many components loses stands in the section",
        "what it loses when every token of the layer is replaced by their mean",
        3,
        _accuracy_drop,
    ),
)
