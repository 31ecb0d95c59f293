"""What the stage `dimension` leaves, with made-up numbers."""

import pandas as pd

from tests.reporting.made_up import TEST_IMAGES, WIDTH, Made
from tickle_core.results import write_json


def write(made: Made, large_classes=True):
    """Of one layer; without `large_classes` none has enough images."""
    classes = len(made.class_names) if large_classes else 0
    of_layer = {"value": 3.1, "interval": [2.8, 3.4], "n": TEST_IMAGES, "raw": 2.9}
    bias = {"value": -0.2, "range": [-0.3, -0.1], "draws": 5}
    null = of_layer | {"value": 4.0, "interval": [3.8, 4.2]}
    whole = of_layer | {"null": null, "bias": bias}
    metrics = {
        "width": WIDTH,
        "image": {
            "global": whole,
            "by_n": [of_layer | {"n": 10}, of_layer | {"n": 20}],
            "least_class_images": 10,
        },
        "token": {"global": whole | {"tokens": 4 * TEST_IMAGES}},
    }
    write_json(made.metrics("dimension"), metrics)
    folder = made.folder("dimension")
    shares = {"shown": [0.5, 0.8, 0.96, 0.98, 0.99, 1.0], "held_out": [0.4, 0.7, 0.9, 0.95, 1, 1]}
    spectrum = pd.concat(
        pd.DataFrame({"unit": unit, "components": range(1, WIDTH + 1), **shares})
        for unit in ("image", "token")
    )
    spectrum.to_parquet(folder / "spectrum.parquet")
    sample = {"n": 12, "value": 2.5, "low": 1.5, "high": 4.5, "raw": 2.0}
    columns = ["label", *sample]
    of_classes = pd.DataFrame([{"label": c} | sample for c in range(classes)], columns=columns)
    of_classes.to_parquet(folder / "classes.parquet")
    draws = pd.DataFrame([sample, sample | {"value": 2.7}] if classes else [], columns=columns[1:])
    draws.to_parquet(folder / "any_class.parquet")
