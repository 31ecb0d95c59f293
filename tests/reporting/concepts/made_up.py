"""What the stage `concepts` leaves, with made-up numbers."""

import numpy as np
import pandas as pd

from tests.reporting.made_up import TEST_IMAGES, WIDTH, Made, drawn, share
from tickle_core.results import write_json

SETS = {"fluffy <b>": "classes", "dark": "pixels", "striped": "texture"}


def write(made: Made, tested=True, left_out=None):
    """Of one layer; without `tested` no score is tested."""
    null = drawn(0.5)
    sets = {}
    for name, source in SETS.items():
        untrained = share(0.6) | {"by_run": drawn(0.6)}
        readable = share(0.9) | {"by_run": drawn(0.9), "null": null, "p": 0.001}
        sets[name] = {
            "readable": readable | {"untrained": untrained},
            "effect": share(1.2) | {"null": drawn(0.0), "p": 0.002},
        }
        if source == "texture" and made.grid:
            beyond = {"value": 0.2, "interval": [0.1, 0.3], "n": TEST_IMAGES}
            hits = share(0.7) | {"null": share(0.25)}
            pooled = share(0.5) | {"null": share(0.3)}
            sets[name]["pointing"] = {"hits": hits, "pooled": pooled, "beyond": beyond}
    untested = {"value": None, "interval": None, "n": 0, "null": None, "why": "the tail is linear"}
    pairs = {"value": 0.25, "interval": None, "n": 4, "null": drawn(0.1), "why": "pairs share"}
    metrics = {
        "sets": sets,
        "tcav": {"significant_share": pairs if tested else untested},
        "latents": {
            "telling_share": share(0.2) | {"null": 0.05},
            "median_auc": share(0.7) | {"null": share(0.65)},
        },
        "left_out": left_out or {},
    }
    write_json(made.metrics("concepts"), metrics)
    folder = made.folder("concept_vectors")
    for name, table in tables(made, tested).items():
        table.to_parquet(folder / f"{name}.parquet", index=False)


def tables(made, tested):
    pairs = [(concept, target) for concept in SETS for target in made.class_names]
    nothing = np.nan if not tested else 0.01
    scores = pd.DataFrame(pairs, columns=["concept", "target"]).assign(
        member=[concept.startswith("fluffy") and target == "cat" for concept, target in pairs],
        n=10,
        score=0.8,
        low=0.6,
        high=1.0,
        null=0.5,
        null_low=0.1,
        null_high=0.9,
        effect_size=1.4,
        steadiness=5.0,
        p=nothing,
        p_adjusted=nothing,
        significant=tested,
        along=0.3,
        along_null_low=-0.1,
        along_null_high=0.1,
        consistency=0.9,
        consistency_null=0.6,
        path_images=5,
    )
    names = list(SETS)
    concepts = pd.DataFrame({"concept": names, "source": list(SETS.values())}).assign(
        train=30,
        test=10,
        auc_logistic=0.9,
        auc_mean=0.85,
        auc_pattern=0.86,
        logistic_mean=0.5,
        logistic_pattern=0.4,
        mean_pattern=0.9,
        steady=0.8,
        readable=True,
    )
    relations = pd.DataFrame(
        [
            (names[0], names[1], 0.2, 0.6, 0.1, -0.2, 0.3),
            (names[0], names[2], 0, 0.1, 0, -0.5, 0.5),
        ],
        columns=["one", "other", "shared", "cosine", "null", "null_low", "null_high"],
    )
    rng = np.random.default_rng(0)
    maps = pd.DataFrame(
        {
            "concept": name,
            "rank": rank,
            "image_id": 2 * rank + 1,
            "member": rank == 0,
            "score": 3.0 - rank,
            "pooled": rng.normal(size=made.patches).astype(np.float32),
            "pointwise": rng.normal(size=made.patches).astype(np.float32),
        }
        for name in names
        for rank in range(2)
    )
    latents = pd.DataFrame({"latent": [0, 1], "concept": names[:2], "auc": 0.8, "auc_null": 0.7})
    vectors = pd.DataFrame({"concept": names, "offset": 0.0, "scale": 1.0})
    vectors["pooled"] = vectors["pointwise"] = [np.ones(WIDTH) / WIDTH**0.5] * len(names)
    return {
        "tcav": scores,
        "concepts": concepts,
        "relations": relations,
        "maps": maps,
        "latents": latents,
        "vectors": vectors,
    }
