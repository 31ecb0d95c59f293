"""What the stage `features` leaves, with made-up numbers."""

import numpy as np
import pandas as pd
from PIL import Image

from tests.reporting.made_up import TEST_IMAGES, Made, share
from tickle_core.results import write_json


def write(made: Made):
    """Of one layer: two pictures of each unit."""
    class_names, shape = made.class_names, made.shape
    positions, prefix = made.patches, len(made.prefix)
    units = {"channel": (3, 1), "neuron": (3,), "layer": (0,), "latent": (5, 4), "logit": (1,)}
    units |= {"direction": tuple(range(5)), "point": (0,), "mixture": (0,)}
    folder = made.folder("features")
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(len(made.alias))
    pictures, natural, roads = [], [], []
    for family, numbers in units.items():
        positioned = family not in ("layer", "logit", "mixture")
        for unit in numbers:
            for copy in range(2):
                file = f"{family}-{unit}-{copy}.png"
                pixels = rng.integers(0, 256, shape, dtype=np.uint8)
                image = Image.fromarray(pixels[:, :, 0] if shape[2] == 1 else pixels)
                image.save(folder / "pictures" / file)
                road = {"angle": 80.0 if copy else 30.0, "angle_natural": 60.0}
                pictures.append(
                    {
                        "family": family,
                        "unit": unit,
                        "name": class_names[unit] if family == "logit" else "",
                        "copy": copy,
                        "file": file,
                        "position": prefix + positions // 2 if positioned else -1,
                        "score": 4.0 + copy,
                        "maximum": 5.0 + copy,
                        "mean": 3.0 + copy,
                        "natural_best": 2.0,
                        "natural_high": 1.8,
                        "natural_median": 1.0,
                        "natural_maximum": 2.5,
                        "natural_mean": 1.5,
                        "noise_mean": 0.0,
                        "noise_max": 0.5,
                        "noise_fires": 0.3 if family == "latent" else np.nan,
                        "fires": copy == 0 if family == "latent" else None,
                        "similarity": 0.6,
                        "to_others": 0.2,
                        **road,
                        "other_road": bool(copy),
                    }
                )
                roads.append(
                    {
                        "family": family,
                        "unit": unit,
                        "copy": copy,
                        "layer": "stem",
                        "angle": road["angle"],
                        "natural_low": 40.0,
                        "natural_mean": 60.0,
                        "natural_high": 75.0,
                        "natural_images": 99,
                        "best_mean": 20.0,
                    }
                )
            natural += [
                {
                    "family": family,
                    "unit": unit,
                    "side": side,
                    "rank": rank,
                    "image_id": 2 * int(rng.integers(TEST_IMAGES)) + 1,
                    "position": prefix if positioned else -1,
                    "score": 2.0 - 0.1 * rank if side == "most" else 0.1 * rank,
                }
                for side in ("most", "least")
                for rank in range(4)
            ]
    pd.DataFrame(pictures).to_parquet(folder / "pictures.parquet")
    pd.DataFrame(natural).to_parquet(folder / "natural.parquet")
    pd.DataFrame(roads).to_parquet(folder / "roads.parquet")
    metrics = {
        "parametrization": "fourier",
        "steps": 4,
        "size": list(shape[:2]),
        "channels": shape[2],
        "natural_images": TEST_IMAGES,
        "layers_before": ["stem"],
        "noise_images": 16,
        "families": {
            family: features_family(family, len(numbers)) for family, numbers in units.items()
        },
    }
    write_json(made.metrics("features"), metrics)


def features_family(family, units):
    """Numbers of a family; of random units those that are their own null."""
    random = family in ("direction", "point", "mixture")
    beside = {"null": None, "why": "it is the null"} if random else {"null": 0.7}
    if family == "layer":
        beside = {"null": None, "why": "there is no random one"}
    ratio = {"value": 2.25, "interval": [2.0, 2.5], "n": units} | beside
    found = {
        "units": units,
        "pictures": 2 * units,
        "above_natural": share(0.75) | beside,
        "above_noise": share(0.9) | beside,
        "ratio": ratio | ({"null": 1.5} if beside["null"] else {}),
        "natural_high": share(0.9) | beside,
        "other_road": share(0.5) | {"null": 0.05},
    }
    if family in ("channel", "latent", "direction"):
        found |= {"above_by_maximum": share(0.8) | beside, "above_by_mean": share(0.6) | beside}
    if not random:
        found["similarity"] = share(0.6) | {"null": 0.2}
    if family == "latent":
        found["fires"] = share(0.5) | {"null": 0.3}
    return found
