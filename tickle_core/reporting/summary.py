"""The headline numbers: one or a few per analysis, all of one layer."""

from pathlib import Path
from typing import Any

from tickle_core.results import read_json

NO_CLASS = "no class of the images is one of the model's"


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
    probe = read_json(metrics / "probes" / f"{layer}.json")["pooled"]["patch"]
    dictionaries = read_json(metrics / "sae" / f"{layer}.json")
    sae = dictionaries["saes"]["main"]
    circuits = read_json(metrics / "circuits" / f"{layer}.json")
    dimension = read_json(metrics / "dimension" / f"{layer}.json")["image"]["global"]
    return {
        "model_accuracy": model["accuracy"] or {"value": None, "why": NO_CLASS},
        "probe_accuracy": probe["accuracy"],
        "probe_chance": _without_null(probe["majority"], "it is itself a null"),
        "probe_selectivity": probe["selectivity"],
        "sae_fvu": sae["fvu"],
        "sae_l0": _without_null(sae["l0"], "k decides it"),
        "sae_dead_share": _without_null(sae["dead_share"], "none is best, whatever is learnt"),
        "sae_spliced_accuracy_drop": sae["accuracy_drop"] or {"value": None, "why": NO_CLASS},
        "dimension_pca95": {key: each for key, each in dimension.items() if key != "bias"},
        "ablation_effect": _ablation_effect(circuits["ablation"]["latents"]),
        "patching_effect": _patching_effect(circuits["patching"]),
    }


def _without_null(found: dict[str, Any], why: str) -> dict[str, Any]:
    return found | {"null": None, "why": why}


def _ablation_effect(latents: dict[str, Any]) -> dict[str, Any]:
    """Of the largest group, ablated to the mean; no value where there is nothing to compare."""
    if "kinds" not in latents:
        return {"value": None, "why": "no latent is active"}
    return latents["kinds"]["mean"]["group"]["excess"]


def _patching_effect(patching: dict[str, Any]) -> dict[str, Any]:
    """Of latents; no value where there are no two classes with images enough."""
    if "why" in patching:
        return {"value": None, "why": patching["why"]}
    return patching["kinds"]["latents"]["influence"]
