"""What the stage `attack` leaves, with made-up numbers."""

import numpy as np
import pandas as pd

from tests.reporting.made_up import TEST_IMAGES, Made, share
from tickle_core.attacks.controls import KINDS
from tickle_core.datasets import image_set
from tickle_core.results import write_json

FALLEN = 4


def write(made: Made, fallen=FALLEN, known=TEST_IMAGES):
    """Of all layers at once, so only for the first."""
    if made.alias != made.aliases[0]:
        return
    success = share(0.6) | {"null": share(0.1)}
    if not fallen:
        success = {"value": None, "interval": None, "n": 0, "why": "nothing is right", "null": None}
    ball = {name: success for name in ("fgsm", "pgd", "before_rounding")}
    ball |= {"robust_accuracy": share(0.3) | {"null": share(0.8)}}
    clean = share(0.9) if known else {"value": None, "interval": None, "n": 0, "why": "no class"}
    metrics = {
        "images": {"drawn": TEST_IMAGES, "known": known, "right": 36, "attacked": 36},
        "clean_accuracy": clean,
        # As the file has them: sorted as texts.
        "norms": {"l2": {"0.5": ball, "1": ball}, "linf": {"16/255": ball, "8/255": ball}},
        "success": success,
        "size": share(0.1) | {"null": share(0.1), "stranger": share(0.1)},
    }
    write_json(made.metrics_of("attack"), metrics)
    folder = made.folder_of("attack")
    columns = ["own", "n", "value", "low", "high", "noise"]
    classes = [(0, 18, 0.5, 0.3, 0.7, 0.1), (1, 18, 0.7, 0.5, 0.9, 0.1)] if fallen else []
    pd.DataFrame(classes, columns=columns).to_parquet(folder / "classes.parquet")
    flips = [(0, 1, fallen)] if fallen else []
    table = pd.DataFrame(flips, columns=["own", "became", "count"])
    table.to_parquet(folder / "flips.parquet")
    perturbed = {
        "kind": [kind for kind in KINDS for _ in range(fallen)],
        "image_id": [2 * i + 1 for _ in KINDS for i in range(fallen)],
        "own": [0] * (fallen * len(KINDS)),
        "became": [1] * (fallen * len(KINDS)),
    }
    pd.DataFrame(perturbed).to_parquet(folder / "perturbed.parquet")
    images = folder / "perturbed"
    images.mkdir()
    count = fallen * len(KINDS)
    pixels = np.random.default_rng(1).integers(0, 256, (count, *made.shape), dtype=np.uint8)
    contents = image_set.write_images(images, iter(pixels), count, made.shape, made.class_names)
    sources = ["somewhere"] * count
    image_set.write_table(
        images, ["test"] * count, [0] * count, sources, contents, made.class_names
    )
