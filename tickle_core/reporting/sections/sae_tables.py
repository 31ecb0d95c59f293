"""Tables of the section on sparse autoencoders."""

from typing import Any

import pandas as pd

from tickle_core.dictionaries.telling import DENSE
from tickle_core.reporting.tables import Column, Table

# What an SAE is held against, in the order of the tables.
BASELINES = {
    "pca_k": "PCA, k components",
    "pca_m": "PCA, as many as latents",
    "kmeans": "k-means",
    "random": "random dictionary",
    "mean": "mean ablation",
    "zero": "zero ablation",
}
PERMUTED = "permuted dimensions"
JUDGED = ("fvu", "l0", "accuracy_drop", "agreement", "kl")


def splice_measure(layers: dict[str, Any]) -> str:
    """What splicing is judged by: accuracy where the model has one, else agreement."""
    known = all(layer["clean_accuracy"] for layer in layers.values())
    return "accuracy" if known else "agreement"


def layer_table(layers: dict[str, Any], latents: dict[str, pd.DataFrame]) -> Table:
    """One row per layer, of its main SAE."""
    key, title = {
        "accuracy": ("accuracy_drop", "Accuracy drop"),
        "agreement": ("agreement", "Agreement"),
    }[splice_measure(layers)]
    columns = (
        Column("layer", "Layer"),
        Column("fvu", "FVU", 3, interval=True),
        Column("fvu_permuted", "FVU, permuted", 3, interval=True),
        Column("l0", "L0", 1, interval=True),
        Column("latents", "Latents", 0),
        Column("dead_share", "Dead share", 3),
        Column("dense", f"Density > {DENSE}", 0),
        Column(key, title, 3, interval=True),
        Column(f"{key}_mean", f"{title}, mean ablation", 3, interval=True),
        Column("images", "Images", 0),
        Column("tokens", "Tokens", 0),
    )
    rows = []
    for alias, layer in layers.items():
        main = layer["saes"]["main"]
        rows.append(
            {
                "layer": alias,
                "fvu": main["fvu"],
                "fvu_permuted": layer["saes"]["permuted"]["fvu"],
                "l0": main["l0"],
                "latents": main["latents"],
                "dead_share": main["dead_share"]["value"],
                "dense": int((latents[alias]["density"] > DENSE).sum()),
                key: main[key],
                f"{key}_mean": layer["baselines"]["mean"][key],
                "images": layer["images"],
                "tokens": layer["tokens"],
            }
        )
    return Table(columns, rows)


def dictionary_table(layers: dict[str, Any]) -> Table:
    """One row per layer and SAE or baseline."""
    columns = (
        Column("layer", "Layer"),
        Column("dictionary", "Dictionary"),
        Column("variant", "Variant"),
        Column("latents", "Latents", 0),
        Column("k", "k", 0),
        Column("fvu", "FVU", 3, interval=True),
        Column("l0", "L0", 1, interval=True),
        Column("dead_share", "Dead share", 3),
        Column("accuracy_drop", "Accuracy drop", 3, interval=True),
        Column("agreement", "Agreement", 3, interval=True),
        Column("kl", "KL (nats)", 3, interval=True),
        Column("steps", "Steps", 0),
    )
    rows = []
    for alias, layer in layers.items():
        saes = sorted(layer["saes"].items(), key=_place)
        rows += [{"layer": alias, **_sae_row(name, sae)} for name, sae in saes]
        for name, title in BASELINES.items():
            found = layer["baselines"][name]
            judged = {key: found[key] for key in JUDGED}
            row = {"layer": alias, "dictionary": title, "latents": found["components"]}
            rows.append(row | judged)
    return Table(columns, rows)


def meaning_table(layers: dict[str, Any]) -> Table:
    """One row per layer: do latents come back, and do they speak of classes?"""
    columns = (
        Column("layer", "Layer"),
        Column("stability", "Stability", 3, interval=True),
        Column("before", "before training", 3),
        Column("latents", "Probe of latents", 3, interval=True),
        Column("activations", "of activations", 3, interval=True),
        Column("majority", "majority class", 3),
        Column("shuffled", "shuffled labels", 3),
        Column("telling_share", "Latents that tell a class", 3),
        Column("chance", "chance", 3),
        Column("median_auc", "Median AUC", 3),
        Column("median_null_auc", "shuffled", 3),
    )
    rows = []
    for alias, layer in layers.items():
        row = {"layer": alias, **layer["classes"]}
        row["telling_share"] = layer["classes"]["telling_share"]["value"]
        if layer["stability"]:
            row |= {"stability": layer["stability"], "before": layer["stability"]["before"]}
        if layer["probe"]:
            row |= layer["probe"]
            row["majority"] = layer["probe"]["majority"]["value"]
            row["shuffled"] = layer["probe"]["shuffled"]["mean"]
        rows.append(row)
    return Table(columns, rows)


def _place(named: tuple[str, dict[str, Any]]) -> tuple[bool, bool, str, float]:
    """The main SAE first, then companions along the frontier of their variant, then the null."""
    name, sae = named
    return name == "permuted", name != "main", sae["variant"], sae["l0"]["value"]


def _sae_row(name: str, sae: dict[str, Any]) -> dict[str, Any]:
    traits = [sae["variant"]]
    if sae["variant"] == "relu":
        traits.append(f"L1 {sae['l1']:g}")
    if sae["precision"] != "float32":
        traits.append(sae["precision"])
    return {
        "dictionary": PERMUTED if name == "permuted" else name,
        "variant": ", ".join(traits),
        "latents": sae["latents"],
        "k": None if sae["variant"] == "relu" else sae["k"],
        "dead_share": sae["dead_share"]["value"],
        "steps": sae["steps"],
        **{key: sae[key] for key in JUDGED},
    }
