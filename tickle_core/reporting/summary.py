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
    probe = read_json(metrics / "probes" / f"{layer}.json")["pooled"]["patch"]
    dictionaries = read_json(metrics / "sae" / f"{layer}.json")
    sae, permuted = dictionaries["saes"]["main"], dictionaries["saes"]["permuted"]
    circuits = read_json(metrics / "circuits" / f"{layer}.json")
    dimension = read_json(metrics / "dimension" / f"{layer}.json")
    return {
        "model_accuracy": model["accuracy"]
        or {"value": None, "why": "no class of the images is one of the model's"},
        "probe_accuracy": probe["accuracy"],
        "probe_chance": probe["majority"],
        "probe_selectivity": probe["selectivity"],
        "sae_fvu": sae["fvu"] | {"null": permuted["fvu"]["value"]},
        "sae_l0": sae["l0"],
        "sae_dead_share": sae["dead_share"],
        "sae_spliced_accuracy_drop": _accuracy_drop(sae, dictionaries["baselines"]["mean"]),
        "dimension_pca95": dimension["image"]["global"],
        "ablation_effect": _ablation_effect(circuits["ablation"]["latents"]),
        "patching_effect": _patching_effect(circuits["patching"]),
    }


def _accuracy_drop(sae: dict[str, Any], mean: dict[str, Any]) -> dict[str, Any]:
    """Beside that of mean ablation; no value where the images' classes are not the model's."""
    if sae["accuracy_drop"] is None:
        return {"value": None}
    return sae["accuracy_drop"] | {"null": mean["accuracy_drop"]["value"]}


def _ablation_effect(latents: dict[str, Any]) -> dict[str, Any]:
    """Of the largest group, ablated to the mean; no value where there is nothing to compare."""
    if "kinds" not in latents:
        return {"value": None, "why": "no latent is active"}
    return latents["kinds"]["mean"]["group"]["excess"]


def _patching_effect(patching: dict[str, Any] | None) -> dict[str, Any]:
    """Of latents; no value where every image is of one class, or there is nothing to compare."""
    latents = patching and patching["kinds"]["latents"]
    if not latents or latents["null"] is None:
        return {"value": None}
    return latents["influence"] | {"null": latents["null"]["influence"]["value"]}
