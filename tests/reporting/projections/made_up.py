"""What the stage `projections` leaves, with made-up numbers."""

import numpy as np
import pandas as pd

from tests.reporting.made_up import TEST_IMAGES, Made, drawn, share
from tickle_core.results import write_json

METHODS = ("pca", "ica", "kernel_pca", "tsne", "umap")


def write(made: Made, points=20):
    """Of one layer, with so many images mapped."""
    metrics = {}
    for place, method in enumerate(METHODS):
        number = share(0.6 + 0.05 * place) | {"null": drawn(0.5)}
        metrics[method] = {"trustworthiness": number, "continuity": number}
        if method != "pca":
            metrics[method]["beyond"] = share(0.1)
    write_json(made.metrics("projections"), metrics)
    rng = np.random.default_rng(0)
    maps = pd.DataFrame(
        (method, rng.normal(), rng.normal(), (2 * place + 1) % (2 * TEST_IMAGES))
        for method in METHODS
        for place in range(points)
    )
    maps.columns = ["method", "x", "y", "image_id"]
    maps.to_parquet(made.folder("projections") / "maps.parquet")
