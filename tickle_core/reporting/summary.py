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
    sae = read_json(metrics / "sae" / f"{layer}.json")
    dimension = read_json(metrics / "dimension" / f"{layer}.json")["image"]["global"]
    return {
        # A model whose classes are not the data set's has no accuracy on it.
        "model_accuracy": model["accuracy"] or {"value": None},
        "probe_accuracy": probe["accuracy"] | {"null": probe["chance"]["shuffled"]["mean"]},
        "probe_chance": probe["chance"]["majority"],
        "probe_selectivity": probe["selectivity"] | {"null": 0.0},
        "sae_fvu": sae["fvu"] | {"null": sae["fvu_permuted"]["value"]},
        "sae_l0": sae["l0"],
        "sae_dead_share": sae["dead_share"],
        "dimension_pca95": {
            "value": dimension["dimension"],
            "interval": dimension["interval"],
            "n": dimension["n"],
            "null": dimension["null"]["mean"],
        },
    }
