"""What the stage `path` leaves, with made-up numbers."""

import numpy as np
import pandas as pd
from PIL import Image

from tests.reporting.made_up import Made, share
from tickle_core.path.analysis import NUMBERS, OF_IMAGES, PATHS, PROFILES, SWITCHES
from tickle_core.path.walks import STRIP
from tickle_core.results import write_json

PAIRS, POINTS = 2, 25
WAYS = {"pixels": ("string", "straight", "graph", "attack"), "layer": ("string", "straight")}


def write(made: Made, pairs=PAIRS):
    """Of all layers at once, so only for the first."""
    if made.alias != made.aliases[0]:
        return
    folder = made.folder_of("path")
    write_json(made.metrics_of("path"), _metrics(made, pairs))
    rows, profiles = [], []
    for space, ways in WAYS.items():
        for way in ways:
            for pair in range(pairs):
                head = {"space": space, "way": way, "pair": pair}
                row = head | {"first": 0, "last": 1, "first_id": 1, "last_id": 3}
                row |= dict.fromkeys(("cost", "rise", *NUMBERS), 2.0 + pair)
                if space == "pixels":
                    row |= dict.fromkeys(OF_IMAGES, 0.5)
                if way == "attack":
                    row["last_id"] = -1
                rows.append(row)
                profiles += [
                    head
                    | {"step": step, "at": step / (POINTS - 1), "difference": step - 12.0}
                    | {"others": 0.0, "predicted": int(step > 12), "x": 0.1 * step, "y": 0.0}
                    for step in range(POINTS)
                ]
    pd.DataFrame(rows, columns=PATHS).to_parquet(folder / "paths.parquet")
    pd.DataFrame(profiles, columns=PROFILES).to_parquet(folder / "profiles.parquet")
    switches = [("string", pair, 2, "on", 0.5, 1.5) for pair in range(pairs)]
    pd.DataFrame(switches, columns=SWITCHES).to_parquet(folder / "switches.parquet")
    plane = pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 0.0], "predicted": [0, 1]})
    plane.to_parquet(folder / "plane.parquet")
    pixels = np.zeros(made.shape, np.uint8)
    image = Image.fromarray(pixels[:, :, 0] if made.shape[2] == 1 else pixels)
    for way in WAYS["pixels"]:
        for pair in range(pairs):
            for place in range(STRIP):
                image.save(folder / f"{way}-{pair:03}-{place}.png")
    height, width = made.shape[:2]
    maps = [
        {"way": way, "pair": pair, "height": height, "values": [0.1] * (height * width)}
        for way in ("string", "straight")
        for pair in range(pairs)
    ]
    columns = ["way", "pair", "height", "values"]
    pd.DataFrame(maps, columns=columns).to_parquet(folder / "maps.parquet")


def _metrics(made, pairs):
    if not pairs:
        return {"pairs": 0, "why": "fewer than two classes"}
    found = {"pairs": pairs, "classes": 1, "layer_alias": made.alias, "linear_tail": False}
    for space, ways in WAYS.items():
        names = (*NUMBERS, *OF_IMAGES) if space == "pixels" else NUMBERS
        own = {name: share(2) | {"null": share(6)} for name in names}
        rivals = {way: {name: share(6) for name in names} for way in ways[1:]}
        found[space] = own | {"settled": share(0.9), "rivals": rivals}
    kinds = ("on", "off", "passing")
    found["switches"] = {kind: share(5) | {"null": share(4)} for kind in kinds}
    return found | {"residual": share(0.1) | {"null": share(0.1)}}
