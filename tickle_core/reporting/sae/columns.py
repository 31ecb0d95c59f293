"""What the gallery says of single latents: which classes they have to do with."""

from collections import Counter
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context
from tickle_core.reporting.kit.section import LatentColumn
from tickle_core.reporting.kit.tables import number, percent
from tickle_core.reporting.sae.found import Found

AUC = (
    "AUC says how well the latent’s strength ranks the images of its best class above all others, "
    "over all held-out images: 0.5 is none, 1 is perfect; behind it is what 95\N{NO-BREAK SPACE}% "
    "of shufflings of the labels stay below."
)


def columns(context: Context, found: Found) -> tuple[LatentColumn, ...]:
    """Purity and AUC of the latents whose activations were kept, with the classes in question."""
    purity: dict[str, dict[int, tuple[str, str]]] = {}
    auc: dict[str, dict[int, tuple[str, str]]] = {}
    for alias, table in found.latents.items():
        kept = table[table["latent"].isin(found.activations[alias]["latent"])]
        leading = _leading_classes(context, found.top_images[alias])
        purity[alias] = {
            row.latent: (_purity(row, leading[row.latent]), "")
            for row in kept.itertuples()
            if row.latent in leading
        }
        auc[alias] = {
            row.latent: (
                f"{number(row.auc, 2)} {row.best_class}",
                f"chance {number(row.auc_null, 2)}",
            )
            for row in kept.itertuples()
            if not pd.isna(row.auc)
        }
    meaning = (
        "Purity is the share of the most frequent class among all "
        f"{context.params.sae.top_images} top images that were kept."
    )
    return LatentColumn("purity", meaning, purity), LatentColumn("AUC", AUC, auc)


def _leading_classes(context: Context, top_images: pd.DataFrame) -> dict[int, str]:
    """By latent: the most frequent class of the images that the gallery shows."""
    shown = top_images[top_images["rank"] < context.params.report.images_per_latent]
    class_of = context.images.table["class_name"].to_numpy()
    return {
        latent: Counter(class_of[images["image_id"]]).most_common(1)[0][0]
        for latent, images in shown.sort_values("rank").groupby("latent")
    }


def _purity(row: Any, leading: str) -> str:
    """With the class that it is of, where that is not the one that leads the shown images."""
    share = percent(row.purity, 0)
    return share if row.top_class == leading else f"{share} {row.top_class}"
