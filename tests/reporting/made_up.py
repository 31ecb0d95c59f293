"""Metrics and tables as the stages before the report write them, with made-up numbers."""

import math

import made_up_ablation
import made_up_circuits
import numpy as np
import pandas as pd
from PIL import Image

from tickle_core.results import write_json

TEST_IMAGES = 40
WIDTH = 6  # channels


def share(value):
    return {"value": value, "interval": [value - 0.05, value + 0.05], "n": TEST_IMAGES}


def ranged(value):
    return {"value": value, "range": [value - 0.05, value + 0.05], "n": 2}


def drawn(value):
    return {"value": value, "range": [value - 0.05, value + 0.05], "draws": 5}


def write_probes(root, rng, alias, classes, grid, prefix, judged):
    """What the stage `probes` leaves of one layer; without a grid there are four positions."""
    kinds = ["patch", *dict.fromkeys(prefix)]
    metrics = {
        "images": {
            "train": TEST_IMAGES,
            "judged": TEST_IMAGES if judged else 0,
            "left_out": 0 if judged else TEST_IMAGES,
        },
        "pooled": {kind: probe_metrics(judged) for kind in kinds},
        "position": {
            "best": share(0.85) | {"null": share(0.3), "position": 0} if judged else UNJUDGED,
            "grid": list(grid) if grid else None,
            "prefix": list(prefix),
        },
    }
    write_json(root / "metrics" / "probes" / f"{alias}.json", metrics)
    folder = root / "data" / "probes" / alias
    folder.mkdir(parents=True)
    patches = int(np.prod(grid)) if grid else 4
    accuracies = rng.uniform(0.5, 0.9, len(prefix) + patches).round(3)
    positions = pd.DataFrame({"kind": [*prefix, *["patch"] * patches], "value": accuracies})
    # A class without test images has no accuracy.
    missing = {"n": 0, "value": np.nan, "low": np.nan, "high": np.nan}
    seen = {"n": TEST_IMAGES // classes, "value": 0.8, "low": 0.7, "high": 0.9}
    of_classes = pd.DataFrame(
        {"kind": kind, "label": label} | (missing if label == classes - 1 else seen)
        for kind in kinds
        for label in range(classes)
    )
    confusion = pd.DataFrame(
        {"kind": kind, "true": true, "predicted": predicted, "images": int(rng.integers(1, 9))}
        for kind in kinds
        for true in range(classes - 1)
        for predicted in range(classes)
    )
    for name, table in (
        ("positions", positions),
        ("classes", of_classes),
        ("confusion", confusion),
    ):
        (table if judged else table[:0]).to_parquet(folder / f"{name}.parquet")


UNJUDGED = {"value": None, "interval": None, "n": 0, "why": "no class is on both sides"}


def probe_metrics(judged):
    if not judged:
        names = ("accuracy", "majority", "control", "selectivity")
        return {**dict.fromkeys(names, UNJUDGED), "converged": True}
    return {
        "accuracy": share(0.8) | {"null": {"value": 0.31, "range": [0.25, 0.37], "draws": 2}},
        "majority": share(0.3),
        "control": share(0.4) | {"range": [0.36, 0.45], "draws": 2, "clusters": 5},
        "selectivity": share(0.4) | {"null": {"value": -0.01, "range": [-0.05, 0.04], "draws": 2}},
        "converged": True,
    }


def sae_metrics(companions, spliced_accuracy, prefix):
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
    kind = {"positions": 1, "fvu": share(0.2), "l0": share(2.0), "firing_share": share(0.9)}
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


def write_circuits(root, alias, class_names, grid, prefix, single_class):
    """What the stage `circuits` leaves of one layer; without a grid there are four sites."""
    names = list(class_names)[:4]
    sites = len(prefix) + (math.prod(grid) if grid else 4)
    metrics = {
        "images": {"measuring": 20, "ranking": 10, "judging": 10},
        "ablation": made_up_ablation.metrics(),
        **made_up_circuits.metrics(grid, prefix),
    }
    tables = made_up_ablation.tables(names) | made_up_circuits.tables(names, sites)
    if single_class:
        metrics |= {"patching": made_up_circuits.NOTHING, "tracing": made_up_circuits.NOTHING}
        tables |= {name: tables[name][:0] for name in ("patching", "sites", "traces")}
    write_json(root / "metrics" / "circuits" / f"{alias}.json", metrics)
    folder = root / "data" / "circuits" / alias
    folder.mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")


def write_features(root, alias, class_names, positions, prefix, shape):
    """What the stage `features` leaves of one layer: two pictures of each unit."""
    units = {"channel": (3, 1), "neuron": (3,), "layer": (0,), "latent": (5, 4), "logit": (1,)}
    units |= {"direction": tuple(range(5)), "point": (0,), "mixture": (0,)}
    folder = root / "data" / "features" / alias
    (folder / "pictures").mkdir(parents=True)
    rng = np.random.default_rng(len(alias))
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
    write_json(root / "metrics" / "features" / f"{alias}.json", metrics)


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


def write_dimension(root, alias, classes):
    """What the stage `dimension` leaves of one layer; `classes` of them have enough images."""
    of_layer = {"value": 3.1, "interval": [2.8, 3.4], "n": TEST_IMAGES, "raw": 2.9}
    bias = {"value": -0.2, "range": [-0.3, -0.1], "draws": 5}
    whole = of_layer | {"null": None, "why": "waits", "bias": bias}
    metrics = {
        "width": WIDTH,
        "image": {
            "global": whole,
            "by_n": [of_layer | {"n": 10}, of_layer | {"n": 20}],
            "least_class_images": 10,
        },
        "token": {"global": whole | {"tokens": 4 * TEST_IMAGES}},
    }
    write_json(root / "metrics" / "dimension" / f"{alias}.json", metrics)
    folder = root / "data" / "dimension" / alias
    folder.mkdir(parents=True)
    shares = {"shown": [0.5, 0.8, 0.96, 0.98, 0.99, 1.0], "held_out": [0.4, 0.7, 0.9, 0.95, 1, 1]}
    spectrum = pd.concat(
        pd.DataFrame({"unit": unit, "components": range(1, WIDTH + 1), **shares})
        for unit in ("image", "token")
    )
    spectrum.to_parquet(folder / "spectrum.parquet")
    sample = {"n": 12, "value": 2.5, "low": 1.5, "high": 4.5, "raw": 2.0}
    columns = ["label", *sample]
    of_classes = pd.DataFrame([{"label": c} | sample for c in range(classes)], columns=columns)
    of_classes.to_parquet(folder / "classes.parquet")
    draws = pd.DataFrame([sample, sample | {"value": 2.7}] if classes else [], columns=columns[1:])
    draws.to_parquet(folder / "any_class.parquet")


def sparse_curve():
    features = ["latents", "random0", "random1", "components", "channels", "shuffled0"]
    rows = [(name, k, 0.7, 0.6, 0.8, TEST_IMAGES) for name in features for k in (1, 2, 5)]
    return pd.DataFrame(rows, columns=["features", "k", "auc", "low", "high", "n"])


def pca_curve():
    """FVU with so many principal components: none is left with all of them."""
    return pd.DataFrame({"components": c, "fvu": 1 - c / WIDTH} for c in range(WIDTH + 1))


def sae_tables(rng, density, positions):
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
