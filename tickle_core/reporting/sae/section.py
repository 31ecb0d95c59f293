"""The section on sparse autoencoders; the gallery of their latents is in `reporting.latents`."""

from typing import Any

import numpy as np

from tickle_core.dictionaries.limits import DENSE, MOST_EXCESS
from tickle_core.params.sae import Sae
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit.section import Dictionary, Section
from tickle_core.reporting.kit.tables import number, percent
from tickle_core.reporting.sae import figures, meaning, tables, words
from tickle_core.reporting.sae.columns import columns
from tickle_core.reporting.sae.found import Found, read


def section(context: Context) -> Section:
    """Reconstruction against sparsity, splicing, stability, what latents stand for, per layer."""
    found = read(context)
    layers, latents = found.metrics, found.latents
    headline = layers[context.headline_layer]
    stable = any(layer["stability"] for layer in layers.values())
    kinds = any(layer["kinds"] for layer in layers.values())
    drawn = {
        "sae_frontier": figures.frontier_figure(layers, found.pca),
        "sae_seeds": figures.seeds_figure(layers),
        "sae_splice": figures.splice_figure(layers),
        "sae_density": figures.density_figure(latents, layers),
    }
    listed = {
        "sae": tables.layer_table(layers, latents),
        "sae_splice": tables.splice_table(layers),
        "sae_tokens": tables.token_table(layers),
        "sae_dictionaries": tables.dictionary_table(layers),
    }
    classes = meaning.meaning_figure(layers)
    if classes:
        drawn["sae_meaning"] = classes
        listed["sae_meaning"] = meaning.meaning_table(layers)
    sparse = meaning.sparse_figure(found.sparse_probing)
    if sparse:
        drawn["sae_sparse_probing"] = sparse
        listed["sae_sparse_probing"] = meaning.sparse_table(layers)
    if stable:
        drawn["sae_stability"] = figures.stability_figure(layers)
        listed["sae_stability"] = tables.stability_table(layers)
    if kinds:
        listed["sae_kinds"] = tables.kind_table(layers)
    return Section(
        name="sae",
        title="Sparse autoencoders",
        summary=_summary(headline),
        settings=_settings(context.params.sae),
        figures=drawn,
        tables=listed,
        curves={"sae_frontier": figures.frontier_curves(layers, found.pca)},
        latents=Dictionary(latents, found.top_images, _activations(found)),
        latent_columns=columns(context, found),
        facts={
            "layers": layers,
            "headline": headline,
            "main": headline["saes"]["main"],
            "companions": len(headline["saes"]) - 3,
            "measure": tables.splice_measure(layers),
            "stable": stable,
            "kinds": kinds,
            "probed": any(layer["probe"]["latents"]["value"] for layer in layers.values()),
            "meaning": {alias: meaning.words(layer) for alias, layer in layers.items()},
            "dense": DENSE,
            "most_excess": MOST_EXCESS,
            "beaten": {alias: words.better(layer) for alias, layer in layers.items()},
            "pca": {alias: words.pca(layer) for alias, layer in layers.items()},
            "few": {alias: words.few(layer) for alias, layer in layers.items()},
            "dominant": {alias: words.dominant_kind(layer) for alias, layer in layers.items()},
        },
    )


def _activations(found: Found) -> dict[str, dict[tuple[int, int], np.ndarray]]:
    """By layer, latent and rank: the latent's activation over a top image."""
    return {
        alias: {(row.latent, row.rank): row.activations for row in table.itertuples()}
        for alias, table in found.activations.items()
    }


def _summary(layer: dict[str, Any]) -> str:
    """Of the headline layer, in the words of the page's first paragraph."""
    main, mean = layer["saes"]["main"], layer["baselines"]["mean"]
    description = (
        "A sparse autoencoder describes each of its tokens by "
        f"{number(main['l0']['value'])} of {number(main['recipe']['latents'])} latents on average "
        f"and leaves {percent(main['fvu']['value'])} of the variance unexplained; "
        f"{words.against_random(layer)}. "
    )
    if main["accuracy"] is None:
        spliced = (
            "With the reconstruction in the layer's place, the model predicts the same for "
            f"{percent(main['agreement']['value'])} of the images, with the mean of its tokens for "
            f"{percent(mean['agreement']['value'])}; {words.pca(layer)}."
        )
    else:
        spliced = (
            "With the reconstruction in the layer's place, the model's accuracy on these images "
            f"goes from {percent(layer['clean_accuracy']['value'])} to "
            f"{percent(main['accuracy']['value'])}, with the mean of its tokens to "
            f"{percent(mean['accuracy']['value'])}; {words.pca(layer)}."
        )
    also = (
        words.dominant_kind(layer),
        words.stability(layer),
        words.few(layer),
        meaning.words(layer),
    )
    return " ".join([description + spliced, *filter(None, also)])


def _settings(settings: Sae) -> dict[str, Any]:
    """The section of params.yaml, each layer and companion in a line of its own."""
    lines = {
        f"{group}.{name}": ", ".join(
            f"{key} {value}" for key, value in each.model_dump(exclude_none=True).items()
        )
        for group in ("layers", "companions")
        for name, each in getattr(settings, group).items()
    }
    return settings.model_dump(exclude={"layers", "companions"}) | lines
