"""What the stage `probes` leaves, with made-up numbers."""

import numpy as np
import pandas as pd

from tests.reporting.made_up import TEST_IMAGES, Made, share
from tickle_core.results import write_json

UNJUDGED = {"value": None, "interval": None, "n": 0, "why": "no class is on both sides"}


def write(made: Made, judged=True):
    """Of one layer; without `judged` no class is on both sides of the split."""
    grid, prefix, classes = made.grid, made.prefix, len(made.class_names)
    rng = np.random.default_rng(len(made.alias))
    kinds = ["patch", *dict.fromkeys(prefix)]
    metrics = {
        "images": {
            "train": TEST_IMAGES,
            "judged": TEST_IMAGES if judged else 0,
            "left_out": 0 if judged else TEST_IMAGES,
        },
        "pooled": {kind: probe_metrics(judged) for kind in kinds},
        "position": {
            "best": share(0.85) | {"null": share(0.3), "position": 0} if judged else UNJUDGED,
            "grid": list(grid) if grid else None,
            "prefix": list(prefix),
        },
    }
    write_json(made.metrics("probes"), metrics)
    folder = made.folder("probes")
    accuracies = rng.uniform(0.5, 0.9, len(prefix) + made.patches).round(3)
    positions = pd.DataFrame({"kind": [*prefix, *["patch"] * made.patches], "value": accuracies})
    # A class without test images has no accuracy.
    missing = {"n": 0, "value": np.nan, "low": np.nan, "high": np.nan}
    seen = {"n": TEST_IMAGES // classes, "value": 0.8, "low": 0.7, "high": 0.9}
    of_classes = pd.DataFrame(
        {"kind": kind, "label": label} | (missing if label == classes - 1 else seen)
        for kind in kinds
        for label in range(classes)
    )
    confusion = pd.DataFrame(
        {"kind": kind, "true": true, "predicted": predicted, "images": int(rng.integers(1, 9))}
        for kind in kinds
        for true in range(classes - 1)
        for predicted in range(classes)
    )
    for name, table in (
        ("positions", positions),
        ("classes", of_classes),
        ("confusion", confusion),
    ):
        (table if judged else table[:0]).to_parquet(folder / f"{name}.parquet")


def probe_metrics(judged):
    if not judged:
        names = ("accuracy", "majority", "control", "selectivity")
        untrained = {"accuracy": UNJUDGED, "beyond": UNJUDGED}
        return {**dict.fromkeys(names, UNJUDGED), "untrained": untrained, "converged": True}
    return {
        "accuracy": share(0.8) | {"null": {"value": 0.31, "range": [0.25, 0.37], "draws": 2}},
        "majority": share(0.3),
        "control": share(0.4) | {"range": [0.36, 0.45], "draws": 2, "clusters": 5},
        "selectivity": share(0.4) | {"null": {"value": -0.01, "range": [-0.05, 0.04], "draws": 2}},
        "untrained": {"accuracy": share(0.6), "beyond": share(0.2)},
        "converged": True,
    }
