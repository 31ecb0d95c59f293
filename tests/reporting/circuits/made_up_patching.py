"""Metrics and tables of patching and tracing as `circuits` writes them, with made-up numbers."""

import pandas as pd

from tests.reporting.circuits.made_up_ablation import drawn, estimate

NOTHING = {"why": "a single class"}
KINDS = {"layer": 5, "positions": 2, "channels": 3, "direction": 1, "latents": 4}


def rival(influence):
    return {"influence": influence, "beyond": estimate(0.3), "replaced": estimate(0.2)}


def kind(place):
    single = {key: rival(estimate(0.1)) for key in ("stranger", "matched")}
    best = {"best_case": {"influence": estimate(0.9), "replaced": estimate(0.3)}}
    several = {"random": rival(drawn(0.4)), "basis": rival(drawn(0.3))}
    rivals = {
        "layer": {},
        "positions": best | single,
        "channels": best | single | {"random": several["random"]},
        "direction": {"stranger": single["stranger"]},
        "latents": best | single | several,
    }
    return {
        "patched": 2,
        "of": 8,
        "influence": estimate(0.2 * KINDS[place], drawn(0.4)),
        "flipped": estimate(0.1 * KINDS[place], drawn(0.2)),
        "replaced": estimate(0.25),
        "rivals": rivals[place],
    }


def metrics(grid, prefix):
    return {
        "patching": {
            "choosing": 16,
            "judging": 16,
            "pairs": 24,
            "kinds": {place: kind(place) for place in KINDS},
        },
        "tracing": {
            "pairs": 4,
            "prefix": list(prefix),
            "grid": grid,
            "joined": [1, 1],
            "peak": estimate(0.7, estimate(0.02)),
            "rank_correlation": estimate(0.9, estimate(0.3)),
        },
    }


def cells(names):
    return pd.DataFrame(
        [
            {
                "kind": place,
                "donor": donor,
                "target": target,
                "pairs": 2,
                "influence": (i - j) / len(names),
                "flipped": 0.5,
                "replaced": 0.25,
            }
            for place in KINDS
            for i, donor in enumerate(names)
            for j, target in enumerate(names)
            if i != j
        ]
    )


def tables(names, sites):
    recovered = [(site + 1) / sites for site in range(sites)]
    traced = {"class": names[0], "donor_class": names[1], "site": range(sites)}
    # Train images, which nothing else shows.
    pairs = [{"image_id": image, "donor_id": image + 2} for image in (0, 4)]
    return {
        "patching": cells(names),
        "sites": pd.DataFrame(
            {
                "recovered": recovered,
                "low": [each - 0.1 for each in recovered],
                "high": [each + 0.1 for each in recovered],
                "null": 0.01,
            }
        ),
        "traces": pd.concat(
            [pd.DataFrame({**pair, **traced, "recovered": recovered}) for pair in pairs]
        ),
    }
