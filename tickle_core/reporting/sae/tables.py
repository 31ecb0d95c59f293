"""Tables of the section on sparse autoencoders."""

import re
from typing import Any

import pandas as pd

from tickle_core.dictionaries.limits import DENSE
from tickle_core.reporting.kit.tables import Column, Table

# What an SAE is held against, in the order of the tables.
BASELINES = {
    "trained": "its decoder, by pursuit",
    "points": "train tokens, by pursuit",
    "random": "random directions, by pursuit",
    "pca_k": "PCA, k components",
    "kmeans": "k-means",
    "mean": "mean ablation",
    "zero": "zero ablation",
}
NULLS = {"frozen": "random decoder, trained encoder", "permuted": "permuted dimensions"}
JUDGED = ("fvu", "l0", "accuracy_drop", "agreement", "kl")


def splice_measure(layers: dict[str, Any]) -> str:
    """What splicing is judged by: accuracy where the model has one, else agreement."""
    known = all(layer["clean_accuracy"] for layer in layers.values())
    return "accuracy" if known else "agreement"


def layer_table(layers: dict[str, Any], latents: dict[str, pd.DataFrame]) -> Table:
    """One row per layer: how well its main SAE describes the tokens, and what else does."""
    columns = (
        Column("layer", "Layer"),
        Column("latents", "Latents", 0),
        Column("l0", "L0", 1),
        Column("fvu", "FVU", 3, interval=True),
        Column("seeds", "mean and range over seeds", 3, interval=True),
        Column("train", "on train images", 3, interval=True),
        Column("random", "random, by pursuit", 3, interval=True),
        Column("frozen", "random decoder", 3, interval=True),
        Column("permuted", "permuted", 3, interval=True),
        Column("dead_share", "Dead share", 3, interval=True),
        Column("dense", f"Density > {DENSE}", 0),
        Column("images", "Images", 0),
    )
    rows = []
    for alias, layer in layers.items():
        main = layer["saes"]["main"]
        rows.append(
            {
                "layer": alias,
                "latents": main["recipe"]["latents"],
                "l0": main["l0"]["value"],
                "fvu": main["fvu"],
                "seeds": layer["seeds"]["fvu"],
                "train": layer["fit"]["fvu_train"],
                "random": layer["baselines"]["random"]["fvu"],
                "frozen": layer["saes"]["frozen"]["fvu"],
                "permuted": layer["saes"]["permuted"]["fvu"],
                "dead_share": main["dead_share"],
                "dense": int((latents[alias]["density"] > DENSE).sum()),
                "images": layer["images"],
            }
        )
    return Table(columns, rows)


def splice_table(layers: dict[str, Any]) -> Table:
    """One row per layer: what the network loses with the layer replaced."""
    key, title = {
        "accuracy": ("accuracy_drop", "Accuracy drop"),
        "agreement": ("agreement", "Agreement"),
    }[splice_measure(layers)]
    columns = (
        Column("layer", "Layer"),
        Column(key, title, 3, interval=True),
        Column("seeds", "mean and range over seeds", 3, interval=True),
        Column("pca", "PCA, k components", 3, interval=True),
        Column("pca_advantage", "kept by PCA alone", 3, interval=True),
        Column("random", "random, by pursuit", 3, interval=True),
        Column("mean", "mean ablation", 3, interval=True),
        Column("kl", "KL (nats)", 4, interval=True),
        Column("kl_pca", "PCA, k components", 4, interval=True),
        Column("images", "Images", 0),
    )
    rows = []
    for alias, layer in layers.items():
        main, others = layer["saes"]["main"], layer["baselines"]
        rows.append(
            {
                "layer": alias,
                key: main[key],
                "seeds": layer["seeds"].get(key),
                "pca": others["pca_k"][key],
                "pca_advantage": layer["pca_advantage"],
                "random": others["random"][key],
                "mean": others["mean"][key],
                "kl": main["kl"],
                "kl_pca": others["pca_k"]["kl"],
                "images": layer["images"],
            }
        )
    return Table(columns, rows)


def stability_table(layers: dict[str, Any]) -> Table:
    """One row per layer that has several seeds: what of a dictionary comes back."""
    columns = (
        Column("layer", "Layer"),
        Column("seeds", "Seeds", 0),
        Column("cosine", "Matched cosine", 3, interval=True),
        Column("chance", "by chance", 3, interval=True),
        Column("excess", "Excess over chance", 3, interval=True),
        Column("data", "spread as the tokens", 3, interval=True),
        Column("before", "before training", 3, interval=True),
        Column("alike", "Cosine > 0.9", 3, interval=True),
        Column("alike_chance", "by chance", 3, interval=True),
        Column("codes", "Correlation of latents", 3, interval=True),
        Column("codes_chance", "by chance", 3, interval=True),
    )
    rows = []
    for alias, layer in layers.items():
        if not layer["stability"]:
            continue
        cosine, excess, alike, codes = (
            layer["stability"][key] for key in ("cosine", "excess", "alike", "codes")
        )
        cells = {
            "cosine": cosine,
            "chance": cosine["null"],
            "excess": excess,
            "data": cosine["data"],
            "before": cosine["before"],
            "alike": alike,
            "alike_chance": alike["null"],
            "codes": codes,
            "codes_chance": codes and codes["null"],
        }
        rows.append({"layer": alias, "seeds": cosine["n"], **cells})
    return Table(columns, rows)


def token_table(layers: dict[str, Any]) -> Table:
    """One row per layer: what its tokens are like, and whether they are enough."""
    columns = (
        Column("layer", "Layer"),
        Column("offset", "Mean / SD", 2, interval=True),
        Column("largest", "Variance in the largest 1 %", 3, interval=True),
        Column("gaussian", "of a Gaussian", 3, interval=True),
        Column("images", "Train images", 0),
        Column("tokens_per_latent", "Train tokens per latent", 0),
        Column("train", "FVU, train images", 3, interval=True),
        Column("fvu", "held-out images", 3, interval=True),
        Column("excess", "so much larger", 3, interval=True),
    )
    rows = []
    for alias, layer in layers.items():
        fit, tokens = layer["fit"], layer["layer"]
        rows.append(
            {
                "layer": alias,
                "offset": tokens["offset"],
                "largest": tokens["largest_tokens"],
                "gaussian": tokens["largest_tokens"]["null"],
                "images": fit["images"],
                "tokens_per_latent": fit["tokens_per_latent"],
                "train": fit["fvu_train"],
                "fvu": layer["saes"]["main"]["fvu"],
                "excess": fit["excess"],
            }
        )
    return Table(columns, rows)


def kind_table(layers: dict[str, Any]) -> Table:
    """One row per layer and kind of token, of layers that have more than patches."""
    columns = (
        Column("layer", "Layer"),
        Column("kind", "Tokens"),
        Column("positions", "per image", 0),
        Column("variance_share", "Variance held", 3, interval=True),
        Column("fvu", "FVU", 3, interval=True),
        Column("l0", "L0", 1, interval=True),
        Column("firing_share", "Latents that fire", 3, interval=True),
    )
    rows = [
        {"layer": alias, "kind": kind, **found}
        for alias, layer in layers.items()
        for kind, found in (layer["kinds"] or {}).items()
    ]
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
        Column("dead_share", "Dead share", 3, interval=True),
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


def _place(named: tuple[str, dict[str, Any]]) -> tuple[bool, bool, bool, str, float]:
    """The main SAE, the same from elsewhere, companions along their variant's frontier, nulls."""
    name, sae = named
    alike = re.fullmatch(r"main|seed\d+", name)
    return name in NULLS, not alike, name != "main", sae["recipe"]["variant"], sae["l0"]["value"]


def _sae_row(name: str, sae: dict[str, Any]) -> dict[str, Any]:
    recipe = sae["recipe"]
    traits = [recipe["variant"]]
    if "l1" in recipe:
        traits.append(f"L1 {recipe['l1']:g}")
    if "precision" in recipe:
        traits.append(recipe["precision"])
    return {
        "dictionary": NULLS.get(name, name),
        "variant": ", ".join(traits),
        "latents": recipe["latents"],
        "k": None if recipe["variant"] == "relu" else recipe["k"],
        "dead_share": sae["dead_share"],
        "steps": recipe["steps"],
        **{key: sae[key] for key in JUDGED},
    }
