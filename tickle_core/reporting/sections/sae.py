"""The section on sparse autoencoders; the gallery of their latents is in `reporting.gallery`."""

from typing import Any

from tickle_core import params
from tickle_core.dictionaries.telling import DENSE, MOST_EXCESS
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.sections import sae_figures, sae_meaning, sae_tables, sae_words
from tickle_core.reporting.sections.section import Headline, Section
from tickle_core.reporting.tables import number, percent

HEADLINES = {
    "sae_fvu": Headline(
        "FVU",
        "fraction of variance unexplained by the sparse autoencoder's reconstruction",
        "a dictionary of random directions, spread as the tokens are and coded by orthogonal "
        "matching pursuit",
        3,
    ),
    "sae_l0": Headline("L0", "latents that are active per token, on average", "", 1),
    "sae_dead_share": Headline(
        "Dead latents", "share of latents that fire on no held-out token", "", 3
    ),
    "sae_spliced_accuracy_drop": Headline(
        "Accuracy lost by splicing",
        "accuracy that the model loses when the layer is replaced by the autoencoder's "
        "reconstruction of it; what PCA with as many components loses stands in the section",
        "what it loses when every token of the layer is replaced by their mean",
        3,
    ),
}


def section(findings: Findings) -> Section:
    """Reconstruction against sparsity, splicing, stability, what latents stand for, per layer."""
    layers, latents = findings.metrics["sae"], findings.latents
    headline = layers[findings.headline_layer]
    stable = any(layer["stability"] for layer in layers.values())
    kinds = any(layer["kinds"] for layer in layers.values())
    figures = {
        "sae_frontier": sae_figures.frontier_figure(layers, findings.pca),
        "sae_seeds": sae_figures.seeds_figure(layers),
        "sae_splice": sae_figures.splice_figure(layers),
        "sae_density": sae_figures.density_figure(latents, layers),
    }
    tables = {
        "sae": sae_tables.layer_table(layers, latents),
        "sae_splice": sae_tables.splice_table(layers),
        "sae_tokens": sae_tables.token_table(layers),
        "sae_dictionaries": sae_tables.dictionary_table(layers),
    }
    meaning = sae_meaning.meaning_figure(layers)
    if meaning:
        figures["sae_meaning"] = meaning
        tables["sae_meaning"] = sae_meaning.meaning_table(layers)
    sparse = sae_meaning.sparse_figure(findings.sparse_probing)
    if sparse:
        figures["sae_sparse_probing"] = sparse
        tables["sae_sparse_probing"] = sae_meaning.sparse_table(layers)
    if stable:
        figures["sae_stability"] = sae_figures.stability_figure(layers)
        tables["sae_stability"] = sae_tables.stability_table(layers)
    if kinds:
        tables["sae_kinds"] = sae_tables.kind_table(layers)
    return Section(
        name="sae",
        title="Sparse autoencoders",
        summary=_summary(headline),
        headlines=HEADLINES,
        settings=_settings(findings.settings.sae),
        figures=figures,
        tables=tables,
        curves={"sae_frontier": sae_figures.frontier_curves(layers, findings.pca)},
        facts={
            "headline": headline,
            "main": headline["saes"]["main"],
            "companions": len(headline["saes"]) - 3,
            "measure": sae_tables.splice_measure(layers),
            "stable": stable,
            "kinds": kinds,
            "probed": any(layer["probe"]["latents"]["value"] for layer in layers.values()),
            "meaning": {alias: sae_meaning.words(layer) for alias, layer in layers.items()},
            "dense": DENSE,
            "most_excess": MOST_EXCESS,
            "beaten": {alias: sae_words.better(layer) for alias, layer in layers.items()},
            "pca": {alias: sae_words.pca(layer) for alias, layer in layers.items()},
            "few": {alias: sae_words.few(layer) for alias, layer in layers.items()},
        },
    )


def _summary(layer: dict[str, Any]) -> str:
    """Of the headline layer, in the words of the page's first paragraph."""
    main, mean = layer["saes"]["main"], layer["baselines"]["mean"]
    description = (
        "A sparse autoencoder describes each of its tokens by "
        f"{number(main['l0']['value'])} of {number(main['recipe']['latents'])} latents on average "
        f"and leaves {percent(main['fvu']['value'])} of the variance unexplained; "
        f"{sae_words.against_random(layer)}. "
    )
    if main["accuracy"] is None:
        spliced = (
            "With the reconstruction in the layer's place, the model predicts the same for "
            f"{percent(main['agreement']['value'])} of the images, with the mean of its tokens for "
            f"{percent(mean['agreement']['value'])}; {sae_words.pca(layer)}."
        )
    else:
        spliced = (
            "With the reconstruction in the layer's place, the model's accuracy on these images "
            f"goes from {percent(layer['clean_accuracy']['value'])} to "
            f"{percent(main['accuracy']['value'])}, with the mean of its tokens to "
            f"{percent(mean['accuracy']['value'])}; {sae_words.pca(layer)}."
        )
    words = (sae_words.stability(layer), sae_words.few(layer), sae_meaning.words(layer))
    return " ".join([description + spliced, *filter(None, words)])


def _settings(settings: params.Sae) -> dict[str, Any]:
    """The section of params.yaml, each layer and companion in a line of its own."""
    lines = {
        f"{group}.{name}": ", ".join(
            f"{key} {value}" for key, value in each.model_dump(exclude_none=True).items()
        )
        for group in ("layers", "companions")
        for name, each in getattr(settings, group).items()
    }
    return settings.model_dump(exclude={"layers", "companions"}) | lines
