"""What the numbers of a layer's sparse autoencoder come to, in words that follow them."""

from typing import Any

from tickle_core.dictionaries.limits import MOST_EXCESS
from tickle_core.reporting.kit.tables import number, percent
from tickle_core.reporting.sae.tables import BASELINES, NULLS

# What has no encoder of an SAE's kind, but as many active directions; the trained decoder itself
# is no rival.
RIVALS = ("points", "random", "pca_k")


def against_random(layer: dict[str, Any]) -> str:
    """The main SAE beside random directions that are coded by pursuit."""
    main = layer["saes"]["main"]["fvu"]
    random = main["null"]
    word = "more" if random["value"] > main["value"] else "no more"
    return (
        f"random directions, chosen from by matching pursuit, leave {word}: "
        f"{percent(random['value'])}"
    )


def better(layer: dict[str, Any]) -> list[str]:
    """What has no larger FVU than the main SAE, with the number."""
    fvu = layer["saes"]["main"]["fvu"]["value"]
    named = {BASELINES[name]: layer["baselines"][name] for name in RIVALS}
    named |= {title: layer["saes"][name] for name, title in NULLS.items()}
    return [
        f"{title} ({number(found['fvu']['value'], 3)})"
        for title, found in named.items()
        if found["fvu"]["value"] <= fvu
    ]


def pca(layer: dict[str, Any]) -> str:
    """Whether PCA with as many components keeps more of the predictions."""
    kind = "predicts the same" if layer["saes"]["main"]["accuracy"] is None else "is right"
    found = layer["pca_advantage"]
    low, high = found["interval"]
    if low > 0:
        share = percent(found["value"])
        return f"with PCA of as many components it {kind} for {share} of them more"
    if high < 0:
        share = percent(-found["value"])
        return f"with PCA of as many components it {kind} for {share} of them less"
    return (
        f"for how many it {kind} with PCA of as many components cannot be told apart from that "
        f"({percent(found['value'])} more, between {percent(low)} and {percent(high)})"
    )


def stability(layer: dict[str, Any]) -> str | None:
    """How much of the dictionary comes back with another seed."""
    found = layer["stability"]
    if found is None:
        return None
    cosine, alike = found["cosine"], found["alike"]
    return (
        f"Of its latents, {percent(alike['value'])} come back with another seed (cosine above "
        f"0.9); the matched ones have a cosine of {number(cosine['value'], 2)}, by chance "
        f"{number(cosine['null']['value'], 2)}."
    )


def dominant_kind(layer: dict[str, Any]) -> str | None:
    """That a few tokens of one kind hold most of the variance, and what FVU is without them."""
    kinds = layer["kinds"] or {}
    positions = sum(found["positions"] for found in kinds.values())
    for kind, found in kinds.items():
        share = found["variance_share"]["value"]
        if 2 * found["positions"] < positions and share > 0.5:
            others = {name: each["fvu"]["value"] for name, each in kinds.items() if name != kind}
            apart = ", ".join(f"{number(fvu, 2)} of {name} tokens" for name, fvu in others.items())
            return (
                f"Of the variance {percent(share)} is held by {kind} tokens, {found['positions']} "
                f"of {positions} positions: the FVU of all is mostly theirs. By itself, each kind "
                f"around its own mean, it is {number(found['fvu']['value'], 2)} of {kind} tokens, "
                f"{apart}."
            )
    return None


def few(layer: dict[str, Any]) -> str | None:
    """That data are too few for the dictionary, and how many would do."""
    fit = layer["fit"]
    if fit["images_wanted"] is None:
        return None
    return (
        f"Data are too few for so many latents: {number(fit['tokens_per_latent'])} tokens per "
        f"latent leave {percent(fit['excess']['value'], 0)} more of the variance of new images "
        "unexplained than of those that were learnt from. About "
        f"{number(fit['images_wanted'])} train images instead of {number(fit['images'])}, or "
        f"as many times fewer latents, would bring that to {percent(MOST_EXCESS, 0)}."
    )
