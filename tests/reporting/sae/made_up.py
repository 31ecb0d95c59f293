"""What the stage `sae` leaves, with made-up numbers."""

import numpy as np
import pandas as pd

from tests.reporting.made_up import TEST_IMAGES, WIDTH, Made, drawn, ranged, share
from tickle_core.results import write_json

COMPANIONS = {"k4": {"k": 4}, "plain": {"variant": "relu", "l1": 0.1}}


def write(made: Made, companions=None, spliced_accuracy=True, density=None):
    """Of one layer.

    Parameters
    ----------
    companions
        By name, what they have otherwise than the main one, or numbers of theirs.
    spliced_accuracy
        Whether the model's classes are those of the images.
    density
        Of each of eight latents.
    """
    companions = COMPANIONS if companions is None else companions
    write_json(made.metrics("sae"), metrics_of(companions, spliced_accuracy, made.prefix))
    rng = np.random.default_rng(len(made.alias))
    positions = len(made.prefix) + made.patches
    latents, top_images = _latents(rng, density, positions)
    activations = list(rng.random((len(top_images), positions), np.float32))
    tables = {
        "latents": latents,
        "top_images": top_images,
        "activations": top_images[["latent", "rank"]].assign(activations=activations),
        "pca": _pca_curve(),
        "sparse_probing": _sparse_curve(),
    }
    folder = made.folder("sae")
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")


def metrics_of(companions, spliced_accuracy, prefix):
    """Main SAE, another seed, the nulls and the companions, each a change of the main one."""
    count = 0

    def judged(fvu, l0, kept):
        accuracy = {"accuracy": share(0.9 * kept), "accuracy_drop": share(0.9 - 0.9 * kept)}
        return {
            "fvu": share(fvu),
            "l0": share(l0),
            "agreement": share(kept),
            "kl": share(1.1 - kept),
            **(accuracy if spliced_accuracy else dict.fromkeys(accuracy)),
        }

    def sae(**change):
        nonlocal count
        count += 1
        found = judged(0.2 + 0.01 * count, 2.0 + 0.1 * count, 0.9)
        found["dead_share"] = {**share(0.25), "n": 8}
        recipe = {"variant": "topk", "latents": 8, "k": 2, "seed": 0, "steps": 10}
        recipe |= {key: value for key, value in change.items() if key not in found}
        found |= {key: value for key, value in change.items() if key in found}
        return {"recipe": recipe, **found}

    unspliced = dict.fromkeys(("accuracy", "accuracy_drop", "agreement", "kl"))
    components = {
        "zero": 0,
        "mean": 0,
        "pca_k": 2,
        "kmeans": 8,
        "points": 8,
        "random": 8,
        "trained": 8,
    }
    kept = {"zero": 0.1, "mean": 0.2, "pca_k": 0.6, "kmeans": 0.5, "points": 0.95, "random": 0.4}
    kept["trained"] = 0.97
    baselines = {
        name: {"components": components[name], **judged(1.05 - kept[name], 1.0, kept[name])}
        for name in components
    }
    main = sae()
    for key, null in {"fvu": "random", "accuracy_drop": "mean", "agreement": "mean"}.items():
        if main[key]:
            main[key] = {**main[key], "null": baselines[null][key]}
    saes = {
        "main": main,
        "seed1": sae(seed=1),
        "permuted": sae(fvu=share(0.7), **unspliced),
        "frozen": sae(fvu=share(0.5)),
    }
    kinds = [*dict.fromkeys(prefix), "patch"]
    kind = {
        "positions": 1,
        "variance_share": share(0.4),
        "fvu": share(0.2),
        "l0": share(2.0),
        "firing_share": share(0.9),
    }
    keys = ["fvu", "agreement", "kl", *["accuracy_drop"] * spliced_accuracy]
    return {
        "images": TEST_IMAGES,
        "tokens": 4 * TEST_IMAGES,
        "clean_accuracy": share(0.9) if spliced_accuracy else None,
        "saes": saes | {name: sae(**change) for name, change in companions.items()},
        "baselines": baselines,
        "seeds": {key: ranged(main[key]["value"]) for key in keys},
        "stability": {
            "cosine": {
                **ranged(0.8),
                "null": drawn(0.4),
                "data": drawn(0.6),
                "before": ranged(0.7),
            },
            "excess": ranged(0.67),
            "alike": {**ranged(0.2), "null": drawn(0.1)},
            "codes": {**ranged(0.6), "null": drawn(0.1)},
        },
        "pca_advantage": share(-0.3),
        "fit": {
            "images": 30,
            "tokens_per_latent": 15,
            "fvu_train": share(0.15),
            "excess": share(0.4),
            "images_wanted": 120,
        },
        "layer": {"offset": share(0.7), "largest_tokens": {**share(0.1), "null": drawn(0.08)}},
        "kinds": dict.fromkeys(kinds, kind) if prefix else None,
        "probe": {
            "latents": share(0.8) | {"null": drawn(0.48)},
            "rivals": {"activations": share(0.85), "majority": share(0.5)},
        },
        "classes": {
            "telling_share": share(0.6) | {"null": drawn(0.9)},
            "median_auc": share(0.7) | {"null": drawn(0.65)},
            "purity": share(0.75) | {"null": drawn(0.7)},
            "rivals": {key: {"median_auc": share(0.6)} for key in ("channels", "shuffled")},
        },
        "sparse_probing": {
            "classes": 2,
            "k1": share(0.8) | {"null": drawn(0.7)},
            "beyond": {"k1": share(0.1)},
            "rivals": {
                "components": {"k1": share(0.75)},
                "channels": {"k1": share(0.7)},
                "shuffled": {"k1": drawn(0.5)},
            },
        },
    }


def _sparse_curve():
    features = ["latents", "random0", "random1", "components", "channels", "shuffled0"]
    rows = [(name, k, 0.7, 0.6, 0.8, TEST_IMAGES) for name in features for k in (1, 2, 5)]
    return pd.DataFrame(rows, columns=["features", "k", "auc", "low", "high", "n"])


def _pca_curve():
    """FVU with so many principal components: none is left with all of them."""
    return pd.DataFrame({"components": c, "fvu": 1 - c / WIDTH} for c in range(WIDTH + 1))


def _latents(rng, density, positions):
    """Eight latents with up to four top images each; a latent that is dead has none."""
    if density is None:
        density = [0.0, 0.9, 0.1, 0.2, 0.3, 0.4, 0.01, 0.05]
    latents = pd.DataFrame(
        {
            "latent": range(8),
            "density": np.array(density, dtype=float),
            "mean": [2.0 * each for each in density],
            "mean_square": [10.0 * each for each in density],
            "max": [float(each > 0) for each in density],
            "top_class": ["cat" if each > 0 else "" for each in density],
            "purity": [0.75 if each > 0 else np.nan for each in density],
            # Latent 4 fires on all images alike: there is nothing to rank.
            "best_class": ["dog" if each > 0 and each != 0.3 else "" for each in density],
            "auc": [0.8 if each > 0 and each != 0.3 else np.nan for each in density],
            "auc_null": [0.6 if each > 0 and each != 0.3 else np.nan for each in density],
        }
    )
    rows = [
        {
            "latent": latent,
            "rank": rank,
            "image_id": 2 * int(rng.integers(TEST_IMAGES)) + 1,
            "position": int(rng.integers(positions)),
            "value": 4.0 - rank,
        }
        for latent in range(8)
        # Latent 6 fires on two images only.
        for rank in range(2 if latent == 6 else 4)
        if density[latent] > 0
    ]
    columns = ["latent", "rank", "image_id", "position", "value"]
    return latents, pd.DataFrame(rows, columns=columns)
