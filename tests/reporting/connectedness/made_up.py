"""What the stage `connectedness` leaves, with made-up numbers."""

import pandas as pd

from tests.reporting.made_up import TEST_IMAGES, Made, drawn, share
from tickle_core.results import write_json

WAYS = ("straight", "sphere", "graph", "pixels")
NUMBERS = ("barrier", "margin", "lost", "detour", "away")
POINTS = 4


def write(made: Made, between=True, linear_tail=False):
    """Of one layer; without `between` the network takes all images for one class."""
    nothing = {"value": None, "interval": None, "n": 0, "why": "no such pair"}
    other = share(1.0) if between else nothing
    number = share(0.1) | {"null": other}
    whole = number | {"untrained": number}
    purity = share(0.8) | {"null": drawn(0.3)}
    metrics = {way: dict.fromkeys(NUMBERS, whole) for way in WAYS}
    metrics |= {"unreachable": whole, "purity": purity | {"untrained": purity}}
    metrics["linear_tail"] = linear_tail
    write_json(made.metrics("connectedness"), metrics)
    folder = made.folder("connectedness")
    kinds = ("within", "between") if between else ("within",)
    pairs = pd.DataFrame(
        {"kind": kind, "way": way, "pair": 0, "class_first": 0, "class_last": 0, "of": of}
        | dict.fromkeys(NUMBERS, 0.1)
        for of in ("trained", "untrained")
        for kind in kinds
        for way in WAYS
    )
    pairs.to_parquet(folder / "pairs.parquet")
    points = pd.DataFrame(
        {"kind": kind, "way": way, "step": step, "at": step / (POINTS - 1), "n": 10, "of": of}
        | {"loss": 0.5, "loss_low": 0.4, "loss_high": 0.6}
        | {"kept": 0.9, "kept_low": 0.8, "kept_high": 1.0}
        for of in ("trained", "untrained")
        for kind in kinds
        for way in WAYS
        for step in range(POINTS)
    )
    points.to_parquet(folder / "points.parquet")
    strips = pd.DataFrame(
        {"kind": kind, "side": side, "rank": 0, "pair": 0, "way": way, "step": step}
        | {"at": step / (POINTS - 1), "loss": 0.1 * step * (POINTS - step), "kept": True}
        | {"image_id": (2 * step + 1) % (2 * TEST_IMAGES)}
        for kind in kinds
        for side in (("most", "least") if kind == "within" else ("least",))
        for way in WAYS
        for step in range(POINTS)
    )
    strips.to_parquet(folder / "strips.parquet")
