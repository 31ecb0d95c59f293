"""Everything that is reported of the SAEs of a layer."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries import (
    baselines,
    directions,
    fit,
    heatmaps,
    image_features,
    reading,
)
from tickle_core.dictionaries.components import principal_components
from tickle_core.dictionaries.judging import Contestant, Watched, drop, judge
from tickle_core.dictionaries.latents import LatentStatistics
from tickle_core.dictionaries.recipe import MAIN
from tickle_core.dictionaries.seeds import Seeds
from tickle_core.dictionaries.stream import Sample
from tickle_core.dictionaries.token_kinds import TokenKinds, TokenSizes
from tickle_core.dictionaries.training import Trained
from tickle_core.models.splicing import Splice
from tickle_core.statistics import drawn, proportion

REDRAWS = 2  # further random dictionaries: how much one draw says


@dataclass(frozen=True)
class Evaluation:
    """What held-out images say of the SAEs of a layer.

    Attributes
    ----------
    metrics
        JSON-ready: what `judging.judge` finds of the SAEs (`saes`, with their recipes and dead
        shares) and of the `baselines`, and how the former differ between `seeds`; `stability`;
        `pca_advantage`, what more images are right with PCA than with the main SAE in the layer's
        place; `fit` to train images; the `layer` and its `kinds` of token; and what
        `reading.read` finds.
    latents
        Of the main SAE, one row per latent, as `reading.read` has it; and density_<kind>, that
        among each kind of token.
    top_images
        Of the main SAE, one row per latent and rank: image_id, position (of the strongest
        token), value.
    activations
        Of the main SAE, `heatmaps.of_strongest`.
    pca
        components, fvu: with so many principal components.
    sparse_probing
        features, k, auc, low, high, n: k-sparse probes of the main SAE's latents and their rivals.
    """

    metrics: dict[str, Any]
    latents: pd.DataFrame
    top_images: pd.DataFrame
    activations: pd.DataFrame
    pca: pd.DataFrame
    sparse_probing: pd.DataFrame


def evaluate(
    trained: dict[str, Trained],
    sample: Sample,
    rows: np.ndarray,
    store: ActivationStore,
    splice: Splice,
    top: int,
    mapped: int,
    seed: int,
) -> Evaluation:
    """Judge all SAEs of a layer and their baselines, and look closely at the main one.

    Parameters
    ----------
    trained
        By name; `recipe.MAIN` is among them.
    sample
        Train tokens, for the baselines.
    rows
        Rows of the store that the SAEs learnt from.
    top
        How many of its strongest images are kept per latent.
    mapped
        Of how many latents it is kept where in these images they are active.
    """
    main = trained[MAIN]
    k, latents = main.recipe.k, main.recipe.latents
    pca = principal_components(sample)
    others = baselines.fit(sample, pca, k, latents, seed)
    others["trained"] = baselines.pursuit(main.sae.b_dec, main.sae.w_dec, k)
    redrawn = {
        f"random{draw}": baselines.pursuit(
            sample.mean, directions.like_tokens(sample, latents, seed + draw), k
        )
        for draw in range(1, REDRAWS + 1)
    }
    watched = {name: Watched(each.sae) for name, each in trained.items()}
    contestants = {
        name: Contestant(watched[name], each.recipe.permuted, spliced=not each.recipe.permuted)
        for name, each in trained.items()
    }
    contestants |= {name: Contestant(each.reconstruct) for name, each in others.items()}
    contestants |= {
        name: Contestant(each.reconstruct, spliced=False) for name, each in redrawn.items()
    }
    statistics = LatentStatistics(latents, top, sample.mean.device)
    features = image_features.features(main.sae, sample, pca, seed)
    held_out, sizes = reading.HeldOut(features, store, seed), TokenSizes(sample)
    kinds = TokenKinds(store.prefix, store.tokens.shape[1], sample.mean, latents)
    alike = {name: each for name, each in trained.items() if _differs_in_seed(each, main)}
    seeds = Seeds(alike, watched, store, seed)

    def watch(image_ids: np.ndarray, tokens: torch.Tensor) -> None:
        main = watched[MAIN]
        held_out.add(image_ids, tokens, statistics.add(main.codes, image_ids))
        kinds.add(tokens, main.rebuilt.view_as(tokens), main.codes)
        sizes.add(tokens)
        seeds.add(image_ids)

    judged = judge(contestants, store, splice, sample, pca, watch, seed)
    found = judged.dictionaries
    by_chance = drawn([found[name]["fvu"]["value"] for name in ("random", *redrawn)])
    labels, class_names = splice.images.table["label"].to_numpy(), list(splice.images.class_names)
    read = reading.read(held_out, features, statistics, store, labels, class_names, seed)
    metrics = {
        "images": judged.images,
        "tokens": judged.tokens,
        "clean_accuracy": judged.clean_accuracy,
        "saes": {
            name: {
                "recipe": _recipe(each),
                **found[name],
                "dead_share": _dead_share(watched[name]),
            }
            for name, each in trained.items()
        },
        "baselines": {
            name: {"components": each.components, **found[name]} for name, each in others.items()
        },
        "seeds": seeds.spread(found),
        "stability": seeds.stability(sample),
        "pca_advantage": drop(judged.kept["pca_k"], judged.kept[MAIN]),
        "fit": fit.metrics(main, found[MAIN]["fvu"], store, rows, seed),
        "layer": {"offset": _offset(found["zero"]["fvu"]), "largest_tokens": sizes.share(seed)},
        "kinds": kinds.metrics(seed) if store.prefix else None,
        **read.metrics,
    }
    _add_nulls(metrics, by_chance)
    table = read.latents.assign(**kinds.densities()) if store.prefix else read.latents
    curve = pd.DataFrame({"components": np.arange(len(judged.pca_fvu)), "fvu": judged.pca_fvu})
    top_images = statistics.top_images()
    activations = heatmaps.of_strongest(main.sae, store, table, top_images, mapped)
    return Evaluation(metrics, table, top_images, activations, curve, read.curve)


def _differs_in_seed(one: Trained, other: Trained) -> bool:
    """At most in that."""
    return replace(one.recipe, seed=other.recipe.seed) == other.recipe


def _recipe(trained: Trained) -> dict[str, Any]:
    """What tells an SAE from the others, and from how many batches it learnt."""
    recipe = trained.recipe
    keys = ["variant", "latents", "k", "seed"]
    keys += ["l1"] * (recipe.variant == "relu") + ["precision"] * (recipe.precision != "float32")
    return {key: getattr(recipe, key) for key in keys} | {"steps": trained.steps}


def _dead_share(watched: Watched) -> dict[str, Any]:
    return proportion(int((~watched.fired).sum()), len(watched.fired))


def _offset(zero: dict[str, Any]) -> dict[str, Any]:
    """||mean|| / ||sd|| of the tokens: the FVU of saying zero is one more than its square."""
    ends = [zero["value"], *(zero["interval"] or [])]
    value, *interval = (max(0.0, end - 1) ** 0.5 for end in ends)
    return zero | {"value": value, "interval": interval or None}


def _add_nulls(metrics: dict[str, Any], random: dict[str, Any]) -> None:
    """Beside what the main SAE reaches, what is reached where there is nothing to find."""
    main, mean = metrics["saes"][MAIN], metrics["baselines"]["mean"]
    main["fvu"] = main["fvu"] | {"null": random}
    for key in ("accuracy", "accuracy_drop", "agreement", "kl"):
        if main[key]:
            main[key] = main[key] | {"null": mean[key]}
