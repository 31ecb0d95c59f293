"""What the stage `dimension` leaves, with made-up numbers."""

import pandas as pd

from tests.reporting.made_up import TEST_IMAGES, WIDTH, Made
from tickle_core.results import write_json

ESTIMATORS = ("pca", "participation", "two_nn", "mle")


def write(made: Made, large_classes=True, at_least=False):
    """Of one layer; without `large_classes` none has enough images."""
    names = [*made.class_names, "fluffy <b>"] if large_classes else []
    kinds = [*["class"] * len(made.class_names), "concept"]
    of_layer = {"value": 3.1, "interval": [2.8, 3.4], "n": TEST_IMAGES}
    raw = of_layer | {"raw": 2.9}
    bias = {"value": -0.2, "range": [-0.3, -0.1], "draws": 5}
    null = of_layer | {"value": 4.0, "interval": [3.8, 4.2]}
    local = of_layer | {
        "null": null,
        "gaussian": {"value": 5.0, "range": [4.9, 5.1], "draws": 5},
        "half": of_layer | {"n": 20},
        "at_least": at_least,
    }
    of_unit = {
        "global": raw | {"null": null | {"raw": 3.9}, "bias": bias},
        "by_n": [raw | {"n": 10}, raw | {"n": 20}],
        "participation": of_layer | {"null": null},
        "two_nn": local,
        "mle": local,
        "local_pca": local,
        "copies": 0,
    }
    token = of_unit | {"global": of_unit["global"] | {"tokens": 4 * TEST_IMAGES}}
    image = of_unit | {"least_images": 10}
    write_json(made.metrics("dimension"), {"width": WIDTH, "image": image, "token": token})
    folder = made.folder("dimension")
    shares = {"shown": [0.5, 0.8, 0.96, 0.98, 0.99, 1.0], "held_out": [0.4, 0.7, 0.9, 0.95, 1, 1]}
    spectrum = pd.concat(
        pd.DataFrame({"unit": unit, "components": range(1, WIDTH + 1), **shares})
        for unit in ("image", "token")
    )
    spectrum.to_parquet(folder / "spectrum.parquet")
    scales = pd.DataFrame(
        [
            (of, unit, n, 0.5 * n, 3.0, 2.5, 3.5)
            for of in ("trained", "untrained", "gaussian")
            for unit in ("image", "token")
            for n in (1, 2, 4)
        ],
        columns=["of", "unit", "neighbours", "radius", "value", "low", "high"],
    )
    scales.to_parquet(folder / "scales.parquet")
    sample = {"n": 12, "value": 2.5, "low": 1.5, "high": 4.5, "raw": 2.0}
    sets = [
        {"estimator": estimator, "kind": kind, "name": name} | sample
        for kind, name in zip(kinds, names, strict=False)
        for estimator in ESTIMATORS
    ]
    columns = ["estimator", *sample, "kind", "name"]
    pd.DataFrame(sets, columns=columns).to_parquet(folder / "sets.parquet")
    draws = [
        {"estimator": estimator, "draw": draw} | sample | {"value": 2.5 + 0.2 * draw}
        for draw in range(2 if large_classes else 0)
        for estimator in ESTIMATORS
    ]
    columns = ["estimator", *sample, "draw"]
    pd.DataFrame(draws, columns=columns).to_parquet(folder / "any_set.parquet")
