"""The headline numbers: one or a few per analysis, all of one layer."""

from pathlib import Path
from typing import Any

from tickle_core.results import read_json


def headline(metrics: Path, layer: str) -> dict[str, dict[str, Any]]:
    """Name -> value, with interval, n and null where the analysis gives them.

    Parameters
    ----------
    metrics
        The folder with one file or folder per stage.
    layer
        Alias of the layer whose numbers stand for the run.
    """
    model = read_json(metrics / "model.json")
    probe = read_json(metrics / "probes" / f"{layer}.json")["pooled"]
    dictionaries = read_json(metrics / "sae" / f"{layer}.json")
    sae = dictionaries["saes"]["main"]
    circuits = read_json(metrics / "circuits" / f"{layer}.json")
    dimension = read_json(metrics / "dimension" / f"{layer}.json")["image"]["global"]
    return {
        # A model whose classes are not the data set's has no accuracy on it.
        "model_accuracy": model["accuracy"] or {"value": None},
        "probe_accuracy": probe["accuracy"] | {"null": probe["chance"]["shuffled"]["mean"]},
        "probe_chance": probe["chance"]["majority"],
        "probe_selectivity": probe["selectivity"] | {"null": 0.0},
        "sae_fvu": sae["fvu"],
        "sae_l0": sae["l0"],
        "sae_dead_share": sae["dead_share"],
        # No value where the images' classes are not the model's.
        "sae_spliced_accuracy_drop": sae["accuracy_drop"] or {"value": None},
        "dimension_pca95": {
            "value": dimension["dimension"],
            "interval": dimension["interval"],
            "n": dimension["n"],
            "null": dimension["null"]["mean"],
        },
        "ablation_effect": _ablation_effect(circuits["ablation"]["latents"]["kinds"]),
        "patching_effect": _patching_effect(circuits["patching"]),
    }


def _ablation_effect(kinds: dict[str, Any]) -> dict[str, Any]:
    """Of the largest group, ablated to the mean; no value where there is nothing to compare."""
    if not kinds or kinds["mean"]["groups"][-1]["null"] is None:
        return {"value": None}
    group = kinds["mean"]["groups"][-1]
    return group["effect_size"] | {"null": group["null"]["effect_size"]["mean"]}


def _patching_effect(patching: dict[str, Any] | None) -> dict[str, Any]:
    """Of latents; no value where every image is of one class, or there is nothing to compare."""
    latents = patching and patching["kinds"]["latents"]
    if not latents or latents["null"] is None:
        return {"value": None}
    return latents["influence"] | {"null": latents["null"]["influence"]["value"]}
