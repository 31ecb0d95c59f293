"""What the stage `curvature` leaves, with made-up numbers."""

import pandas as pd

from tests.reporting.made_up import TEST_IMAGES, Made, drawn, share
from tickle_core.results import write_json


def write(made: Made, large_classes=True):
    """Of one layer; without `large_classes` none has enough images."""
    beyond = share(0.2)
    whole = {"value": 9, "interval": None, "n": TEST_IMAGES, "why": "rounded"}
    unreachable = {"value": 0.0, "interval": None, "n": TEST_IMAGES, "why": "pairs share images"}
    metrics = {
        "kappa": share(1.2) | {"null": drawn(1.0)},
        "cube": drawn(0.8),
        "by_gaussian": beyond | {"null": share(0.1)},
        "by_cube": beyond | {"null": share(0.1)},
        "half": {"by_gaussian": beyond, "by_cube": beyond},
        "unreachable": unreachable | {"null": 0.0},
        "dimension": whole | {"null": whole},
        "least_images": 50,
    }
    write_json(made.metrics("curvature"), metrics)
    folder = made.folder("curvature")
    row = {"n": 50, "kappa": 0.6, "gaussian": 0.5, "cube": 0.4, "by_gaussian": 0.1, "by_cube": 0.2}
    row |= {"unreachable": 0.0, "dimension": 9.0}
    for name in ("kappa", "by_gaussian", "by_cube"):
        row |= {f"{name}_low": row[name] - 0.05, f"{name}_high": row[name] + 0.05}
    labels = range(len(made.class_names)) if large_classes else []
    classes = pd.DataFrame([{"label": label} | row for label in labels], columns=["label", *row])
    classes.to_parquet(folder / "classes.parquet")
    counts = pd.DataFrame(
        {"neighbours": n, "of": of, "kappa": 1.0, "gaussian": 0.9, "cube": 0.7}
        | {"by_gaussian": 0.1, "by_cube": 0.2, "unreachable": 0.0}
        for of in ("trained", "untrained")
        for n in (5, 10)
    )
    counts.to_parquet(folder / "by_count.parquet")
    paths = pd.DataFrame(
        (side, 0, step, kappa, 2 * step + 1)
        for side, kappa, steps in (("most", 2.0, 30), ("least", 0.1, 3))
        for step in range(steps)
    )
    paths.columns = ["side", "rank", "step", "kappa", "image_id"]
    paths.to_parquet(folder / "paths.parquet")
