"""What the stage `fractures` leaves, with made-up numbers."""

import pandas as pd

from tests.reporting.made_up import Made, share
from tickle_core.results import write_json

NOTHING = {"value": None, "interval": None, "n": 0, "why": "no unit has points enough"}


def write(made: Made, enough=True):
    """Of one layer; without `enough` no unit has points enough."""
    number = share(0.3) | {"null": share(0.1)}
    named = {"class": ["cat <b>"], "concept": [], "latent": ["7"]}
    metrics = {
        kind: {"split": number, "conductance": number, "named": names}
        if enough
        else {"split": NOTHING, "conductance": NOTHING, "named": []}
        for kind, names in named.items()
    }
    write_json(made.metrics("fractures"), metrics | {"least_points": 40})
    folder = made.folder("fractures")
    row = {"n": 50, "conductance": 0.01, "flat": 0.1, "narrowness": 0.2, "p_cut": 0.001}
    row |= {"p_dip": 0.002, "clusters": 2, "smaller": 0.4, "p": 0.01}
    units = [("class", "cat <b>", True), ("latent", "7", True), ("concept", "dark", False)]
    columns = ["kind", "name", *row, "split"]
    table = pd.DataFrame(
        [{"kind": kind, "name": name, "split": split} | row for kind, name, split in units]
        if enough
        else [],
        columns=columns,
    )
    table.to_parquet(folder / "units.parquet")
    fragments = pd.DataFrame(
        [
            (kind, name, part, rank, 2 * (part + rank) + 1)
            for kind, name, _ in units[:2]
            for part in range(2)
            for rank in range(3)
        ]
        if enough
        else [],
        columns=["kind", "name", "part", "rank", "image_id"],
    )
    fragments.to_parquet(folder / "fragments.parquet")
