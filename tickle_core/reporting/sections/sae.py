"""The section on sparse autoencoders; the gallery of their latents is in `reporting.gallery`."""

from typing import Any

from tickle_core import params
from tickle_core.dictionaries.telling import DENSE
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.sections import sae_figures, sae_tables
from tickle_core.reporting.sections.section import Headline, Section
from tickle_core.reporting.tables import number, percent

HEADLINES = {
    "sae_fvu": Headline(
        "FVU",
        "fraction of variance unexplained by the sparse autoencoder's reconstruction",
        "an autoencoder that is trained and judged on tokens whose dimensions were permuted "
        "independently",
        3,
    ),
    "sae_l0": Headline("L0", "latents that are active per token, on average", "", 1),
    "sae_dead_share": Headline(
        "Dead latents", "share of latents that fire on no held-out token", "", 3
    ),
    "sae_spliced_accuracy_drop": Headline(
        "Accuracy lost by splicing",
        "accuracy that the model loses when the layer is replaced by the autoencoder's "
        "reconstruction of it",
        "what it loses when every token of the layer is replaced by their mean",
        3,
    ),
}


def section(findings: Findings) -> Section:
    """Reconstruction against sparsity, splicing, and what latents stand for, per layer."""
    layers, latents = findings.metrics["sae"], findings.latents
    headline = layers[findings.headline_layer]
    figures = {
        "sae_frontier": sae_figures.frontier_figure(layers),
        "sae_splice": sae_figures.splice_figure(layers),
        "sae_density": sae_figures.density_figure(latents, layers),
        "sae_meaning": sae_figures.meaning_figure(layers),
    }
    return Section(
        name="sae",
        title="Sparse autoencoders",
        summary=_summary(headline),
        headlines=HEADLINES,
        settings=_settings(findings.settings.sae),
        figures=figures,
        tables={
            "sae": sae_tables.layer_table(layers, latents),
            "sae_dictionaries": sae_tables.dictionary_table(layers),
            "sae_meaning": sae_tables.meaning_table(layers),
        },
        facts={
            "headline": headline,
            "main": headline["saes"]["main"],
            "companions": len(headline["saes"]) - 2,
            "measure": sae_tables.splice_measure(layers),
            "stable": any(layer["stability"] for layer in layers.values()),
            "probed": any(layer["probe"] for layer in layers.values()),
            "dense": DENSE,
        },
    )


def _summary(layer: dict[str, Any]) -> str:
    """Of the headline layer, in the words of the page's first paragraph."""
    main, permuted = layer["saes"]["main"], layer["saes"]["permuted"]
    mean = layer["baselines"]["mean"]
    description = (
        "A sparse autoencoder describes each of its tokens by "
        f"{number(main['l0']['value'])} of {number(main['latents'])} latents on average and "
        f"leaves {percent(main['fvu']['value'])} of the variance unexplained "
        f"({percent(permuted['fvu']['value'])} where dimensions are permuted). "
    )
    if main["accuracy"] is None:
        return description + (
            "With the reconstruction in the layer's place, the model predicts the same for "
            f"{percent(main['agreement']['value'])} of the images, with the mean of its tokens for "
            f"{percent(mean['agreement']['value'])}."
        )
    return description + (
        "With the reconstruction in the layer's place, the model's accuracy on these images goes "
        f"from {percent(layer['clean_accuracy']['value'])} to "
        f"{percent(main['accuracy']['value'])}, with the mean of its tokens to "
        f"{percent(mean['accuracy']['value'])}."
    )


def _settings(settings: params.Sae) -> dict[str, Any]:
    """The section of params.yaml, each companion in a line of its own."""
    companions = {
        f"companions.{name}": ", ".join(
            f"{key} {value}" for key, value in each.model_dump(exclude_none=True).items()
        )
        for name, each in settings.companions.items()
    }
    return settings.model_dump(exclude={"companions"}) | companions
