"""What the stage `atlas` leaves, with made-up numbers."""

import numpy as np
import pandas as pd
from PIL import Image

from tests.reporting.made_up import TEST_IMAGES, Made, drawn, share
from tickle_core.results import write_json

CELLS = 5


def write(made: Made, pictures=True):
    """Of one layer, with a picture of each cell or none."""
    plain = {"value": 0.4, "interval": None, "n": TEST_IMAGES, "why": "as it is"}
    purity = share(0.6) | {"null": drawn(0.3)}
    counted = plain | {"null": drawn(0.2)}
    metrics = {
        "clusters": plain | {"value": CELLS},
        "stability": drawn(0.7) | {"null": drawn(0.3)},
        "noise": share(0.2) | {"null": share(0.6)},
        "purity": purity | {"untrained": purity},
        "raw": counted | {"untrained": counted},
        "ami": counted | {"untrained": counted},
        "majority": plain,
        "half": purity,
    }
    write_json(made.metrics("atlas"), metrics)
    folder = made.folder("atlas")
    cells = pd.DataFrame(
        {"cell": cell, "row": cell // 3, "column": cell % 3, "share": 1 / CELLS}
        | {"label": cell % len(made.class_names), "class_share": 0.5, "steady": 0.9}
        for cell in range(CELLS)
    )
    cells.to_parquet(folder / "cells.parquet")
    first = len(made.prefix)
    patches = pd.DataFrame(
        {"cell": cell, "rank": rank, "image_id": 2 * (cell + rank) + 1}
        | {"position": first + rank % made.patches}
        for cell in range(CELLS)
        for rank in range(3)
    )
    patches.to_parquet(folder / "patches.parquet")
    stability = pd.DataFrame(
        {"clusters": count, "observed": 0.7, "flat": 0.3} for count in (4, 8) for _ in range(2)
    )
    stability.to_parquet(folder / "stability.parquet")
    if pictures:
        pixels = np.zeros(made.shape, np.uint8)
        for cell in range(CELLS):
            image = Image.fromarray(pixels[:, :, 0] if made.shape[2] == 1 else pixels)
            image.save(folder / f"{cell:03}.png")
