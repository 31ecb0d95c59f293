"""What the stage `delta` leaves, with made-up numbers."""

import numpy as np
import pandas as pd
from PIL import Image

from tests.reporting.made_up import Made, drawn, share
from tickle_core.delta import hijacked, summary
from tickle_core.results import write_json

LATENTS = 3


def write(made: Made, enough=True, pictures=True):
    """Of one layer, with adversarial images enough or not."""
    folder = made.folder("delta")
    if not enough:
        metrics = {"images": {"adversarial": 1, "tail": 1}, "why": "too few images"}
        write_json(made.metrics("delta"), metrics)
        empty = {
            "latents": hijacked.LATENT_COLUMNS,
            "pairs": hijacked.PAIR_COLUMNS,
            "curve": summary.COLUMNS,
            "outcomes": summary.OUTCOMES,
        }
        for name, columns in empty.items():
            pd.DataFrame(columns=columns).to_parquet(folder / f"{name}.parquet")
        return
    rival = {"recovered": share(0.4), "given_back": share(0.2), "beyond": share(-0.1)}
    names = ("own", "stranger", "channels", "components", "basis")
    metrics = {
        "images": {"adversarial": 20, "tail": 20, "choosing": 10, "judging": 10},
        "travel": {
            "distance": share(0.3) | {"null": share(0.2), "stranger": share(0.2)},
            "beyond": share(1.5),
            "unexplained": share(0.6) | {"null": share(0.9), "clean": share(0.1)},
        },
        "carried": share(0.7),
        "recovery": {
            "recovered": share(0.3) | {"null": drawn(0.1)},
            "given_back": share(0.2),
            "beyond": share(0.2),
            "rivals": dict.fromkeys(names, rival),
        },
        "woken": share(3) | {"null": share(1)},
        "silenced": share(3) | {"null": share(1)},
        "linear_tail": False,
    }
    write_json(made.metrics("delta"), metrics)
    latents = pd.DataFrame(
        {"latent": latent, "chosen": 0.2, "value": 0.15, "low": 0.1, "high": 0.2, "noise": 0.01}
        | {"exact": 0.14, "exact_low": 0.1, "exact_high": 0.2, "frequency": 0.3}
        | dict.fromkeys(hijacked.SWITCHES, 0.1)
        for latent in range(LATENTS)
    )
    latents.to_parquet(folder / "latents.parquet")
    pairs = pd.DataFrame([(0, 1, 5, 0, 2, 0.4)], columns=hijacked.PAIR_COLUMNS)
    pairs.to_parquet(folder / "pairs.parquet")
    rules = [
        *(("latents", rule) for rule in ("chosen", "own", "stranger", "random")),
        *((family, "chosen") for family in ("channels", "components", "basis")),
    ]
    curve = pd.DataFrame(
        [
            (family, rule, units, 0.1 * units, 0.2 * units, 0.1, 0.9, 1, 10)
            for family, rule in rules
            for units in (1, 4)
        ],
        columns=summary.COLUMNS,
    )
    curve.to_parquet(folder / "curve.parquet")
    outcomes = [(0, 1, 0, 5), (0, 1, 1, 3), (1, 0, 1, 2)]
    pd.DataFrame(outcomes, columns=summary.OUTCOMES).to_parquet(folder / "outcomes.parquet")
    if pictures:
        pixels = np.zeros(made.shape, np.uint8)
        for latent in range(LATENTS):
            image = Image.fromarray(pixels[:, :, 0] if made.shape[2] == 1 else pixels)
            image.save(folder / f"{latent:03}.png")
