"""The section on sparse autoencoders; the gallery of their latents is in `reporting.gallery`."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting import plots
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.gallery import DENSE
from tickle_core.reporting.plots import Series
from tickle_core.reporting.sections.section import Headline, Section
from tickle_core.reporting.style import CONTROL, INK, MEASURED, NULL, short
from tickle_core.reporting.tables import Column, Table, number, percent

BINS_PER_DECADE = 3  # each wider than a factor of two: whole counts leave no gap
HISTOGRAMS_PER_ROW = 3

HEADLINES = {
    "sae_fvu": Headline(
        "FVU",
        "fraction of variance unexplained by the sparse autoencoder's reconstruction",
        "the same autoencoder on tokens whose dimensions were permuted independently",
        3,
    ),
    "sae_l0": Headline("L0", "latents that are active per token, on average", "", 1),
    "sae_dead_share": Headline(
        "Dead latents", "share of latents that fire on no held-out token", "", 3
    ),
}


def section(findings: Findings) -> Section:
    """Reconstruction, sparsity and the densities of latents, per layer."""
    layers, latents = findings.metrics["sae"], findings.latents
    headline = layers[findings.headline_layer]
    return Section(
        name="sae",
        title="Sparse autoencoders",
        summary=(
            "A sparse autoencoder describes each of its tokens by "
            f"{number(headline['l0']['value'])} of {number(headline['latents'])} latents on "
            "average and leaves "
            f"{percent(headline['fvu']['value'])} of the variance unexplained "
            f"({percent(headline['fvu_permuted']['value'])} once dimensions are permuted)."
        ),
        headlines=HEADLINES,
        settings=findings.settings.sae.model_dump(),
        figures={
            "sae_quality": quality_figure(layers),
            "sae_density": density_figure(latents, layers),
        },
        tables={"sae": layer_table(layers, latents)},
        facts={"headline": headline, "dense": DENSE},
    )


def layer_table(layers: dict[str, Any], latents: dict[str, pd.DataFrame]) -> Table:
    """One row per layer."""
    columns = (
        Column("layer", "Layer"),
        Column("fvu", "FVU", 3, interval=True),
        Column("fvu_permuted", "FVU, permuted", 3, interval=True),
        Column("l0", "L0", 1, interval=True),
        Column("latents", "Latents", 0),
        Column("dead_share", "Dead share", 3),
        Column("dense", f"Density > {DENSE}", 0),
        Column("images", "Images", 0),
        Column("tokens", "Tokens", 0),
    )
    rows = [
        {
            "layer": alias,
            "fvu": layer["fvu"],
            "fvu_permuted": layer["fvu_permuted"],
            "l0": layer["l0"],
            "latents": layer["latents"],
            "dead_share": layer["dead_share"]["value"],
            "dense": int((latents[alias]["density"] > DENSE).sum()),
            "images": layer["images"],
            "tokens": layer["tokens"],
        }
        for alias, layer in layers.items()
    ]
    return Table(columns, rows)


def quality_figure(layers: dict[str, Any]) -> Figure:
    """FVU beside its null, active latents per token, dead latents."""
    metrics = list(layers.values())
    figure, [fvu, l0, dead] = plots.forest_figure(len(layers), 3)
    series = [
        Series("measured", [each["fvu"] for each in metrics], MEASURED),
        Series("permuted dimensions", [each["fvu_permuted"] for each in metrics], NULL, "D"),
    ]
    plots.forest(fvu, list(layers), series)
    fvu.axvline(1, color=NULL, linestyle="--", linewidth=1, label="predicting the mean")
    fvu.set_xlim(left=0)
    fvu.set_xlabel("FVU")
    plots.forest(l0, list(layers), [Series("L0", [each["l0"] for each in metrics], MEASURED)])
    l0.set_xlim(left=0)
    l0.set_xlabel("L0: active latents per token")
    shares = [each["dead_share"] for each in metrics]
    plots.forest(dead, list(layers), [Series("dead", shares, MEASURED)])
    dead.set_xlim(0, 1)
    dead.set_xlabel("share of dead latents")
    plots.legend_above(figure, fvu)
    return figure


def density_figure(latents: dict[str, pd.DataFrame], layers: dict[str, Any]) -> Figure:
    """How many latents fire how often, per layer, on a logarithmic scale."""
    decades = max(1, max(int(np.ceil(np.log10(each["tokens"]))) for each in layers.values()))
    bins = np.linspace(-decades, 0, decades * BINS_PER_DECADE + 1)
    figure, panels = plots.panels(len(layers), HISTOGRAMS_PER_ROW, 1.9, sharex=True, sharey=True)
    for axes, (alias, table) in zip(panels, latents.items(), strict=True):
        densities = table["density"].to_numpy()
        alive = densities[densities > 0]
        axes.hist(np.log10(alive), bins=bins, color=MEASURED)
        axes.axvline(np.log10(DENSE), color=CONTROL, linestyle="--", linewidth=1)
        axes.set_title(f"{short(alias)}: {len(densities) - len(alive):,} of {len(table):,} dead")
        axes.set_ylim(bottom=0)
        if len(alive) == 0:
            note = "no latent fires"
            axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", color=INK)
    panels[0].set_ylabel("latents")
    figure.supxlabel("log10 of density (share of held-out tokens on which a latent fires)", size=9)
    return figure
