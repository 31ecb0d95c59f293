"""What the stage `attribution` leaves, with made-up numbers."""

import numpy as np
import pandas as pd

from tests.reporting.made_up import Made, share
from tickle_core.results import write_json

IMAGES = (1, 3)


def write(made: Made, chains=True, beaten=()):
    """Of all layers, each time; methods in `beaten` are no better than a random order."""
    methods = ["gradient", "ig_zero", "ig_mean", "ig_blur", "blur_path", "untrained"]
    methods += ["chain", "random_chain"] if chains else []
    if made.grid:
        methods += [f"{kind}_{alias}" for kind in ("layer", "cam") for alias in made.aliases]
    exact = "0 is exact, whatever the network has learned"
    found = {}
    for method in methods:
        gap = {"value": -0.1, "interval": [-0.2, 0.0], "n": 40} if method in beaten else share(0.3)
        found[method] = {
            "insertion": share(0.7) | {"null": share(0.5)},
            "deletion": share(0.2) | {"null": share(0.4)},
            "beyond": {"random": gap}
            | ({} if method == "untrained" else {"untrained": share(0.2)}),
        }
        if method != "gradient" and not method.startswith("cam"):
            residual = {"value": 0.004, "interval": [0.003, 0.005], "n": 40}
            found[method]["residual"] = residual | {"null": None, "why": exact}
            found[method]["converged"] = share(0.9)
    checked = ["gradient", "ig_zero"]
    metrics = {
        "methods": found,
        "residual": found["ig_zero"]["residual"],
        "randomised": {name: share(0.1) | {"null": share(0.2)} for name in checked},
    }
    write_json(made.metrics_of("attribution"), metrics)
    rng = np.random.default_rng(0)
    curves = pd.DataFrame(
        [
            (method, kind, step / 2, 0.5, 0.4, 0.6)
            for method in [*methods, "random"]
            for kind in ("deletion", "insertion")
            for step in range(3)
        ],
        columns=["method", "kind", "share", "value", "low", "high"],
    )
    images = pd.DataFrame(
        [(method, image, 0, 0.7, 0.2, 0.004, 16.0) for method in methods for image in IMAGES],
        columns=["method", "image_id", "predicted", "insertion", "deletion", "residual", "steps"],
    )
    if made.grid:
        maps = [(method, image, 4, rng.normal(size=16)) for method in methods for image in IMAGES]
    else:
        maps = [("ig_zero", image, 4, np.zeros(16)) for image in IMAGES]
    randomised = pd.DataFrame(
        [(name, order, f"part{order}", 0.3, 0.2, 0.4, 8) for name in checked for order in range(3)],
        columns=["method", "order", "part", "value", "low", "high", "n"],
    )
    folder = made.folder_of("attribution")
    curves.to_parquet(folder / "curves.parquet", index=False)
    images.to_parquet(folder / "images.parquet", index=False)
    pd.DataFrame(maps, columns=["method", "image_id", "height", "values"]).to_parquet(
        folder / "maps.parquet", index=False
    )
    randomised.to_parquet(folder / "randomised.parquet", index=False)
