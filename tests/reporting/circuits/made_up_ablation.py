"""Metrics and tables of ablation as the stage `circuits` writes them, with made-up numbers."""

import pandas as pd

FAMILIES = ("channels", "latents", "directions")
ABLATIONS = ("zero", "mean", "resample")
JUDGING = 40
SIZES = (1, 4)


def estimate(value, null=None):
    return {"value": value, "interval": [value - 0.05, value + 0.05], "n": JUDGING, "null": null}


def drawn(value, draws=20):
    return {"value": value, "range": [value - 0.1, value + 0.1], "draws": draws}


def without_null(value, why):
    return estimate(value) | {"null": None, "why": why}


def kind():
    few = {"value": 0.8, "interval": None, "n": 4, "why": "too few: 4"}
    return {
        "rank_correlation": estimate(0.9, estimate(0.3)),
        "signed_correlation": estimate(0.95, estimate(0.2)),
        "single": few | {"null": few | {"value": 0.1}},
        "claimed": 2,
        "tested": 3,
        "group": {
            "size": 4,
            "share": estimate(0.2),
            "effect_size": estimate(6.0, drawn(0.4)),
            "kept": estimate(0.6, drawn(0.9)),
            "energy_ratio": drawn(1.05),
            "excess": estimate(5.6, drawn(0.0)) | {"p": 0.047619},
        },
    }


def metrics():
    return {
        family: {
            "units": 10 * place,
            "alive": 10 * place - 1,
            "chosen": 4,
            "matched": 3,
            "carries_over": estimate(0.85, estimate(0.4)),
            "kinds": {each: kind() for each in ABLATIONS},
        }
        for place, family in enumerate(FAMILIES, 1)
    }


def without_random_groups(found):
    """As `metrics` are where nothing carries as much as the top group."""
    why = "only 3 different random groups carry as much of the layer"
    for family in found.values():
        for each in family["kinds"].values():
            group = each["group"]
            del group["energy_ratio"]
            group["effect_size"] = without_null(6.0, why)
            group["kept"] = without_null(0.6, why)
            group["excess"] = {"value": None, "interval": None, "n": JUDGING, "null": None}
            group["excess"]["why"] = why


def tables(names):
    """Four top units of each family, numbered from 0, and controls of the last three, from 11."""
    units, classes, curves = [], [], []
    for family in FAMILIES:
        for each in ABLATIONS:
            of_kind = {"family": family, "kind": each}
            for unit in range(4):
                units.append(of_kind | unit_row(unit, "top"))
                classes += class_rows(of_kind, unit, "top", names)
            for unit in range(1, 4):
                units.append(of_kind | unit_row(unit, "control"))
                classes += class_rows(of_kind, unit, "control", names)
            curves += [of_kind | row for row in curve_rows()]
    made = {"ablation": units, "class_effects": classes, "curves": curves}
    return {name: pd.DataFrame(rows) for name, rows in made.items()}


def unit_row(unit, role):
    top = role == "top"
    effect = 0.1 * (unit + 1) if top else 0.01
    few = not top and unit == 1  # a control that is active on too few images
    return {
        "unit": unit if top else 10 + unit,
        "role": role,
        "matched": (10 + unit if unit else -1) if top else unit,
        "energy": 1.0,
        "screen": effect,
        "effect": effect,
        "low": float("nan") if few else effect - 0.1,
        "high": float("nan") if few else effect + 0.1,
        "effect_size": 1.0,
        "p_value": 0.02 if unit else float("nan"),
        "active": 4 if few else JUDGING,
        "images": JUDGING,
    }


def class_rows(of_kind, unit, role, names):
    own = unit_row(unit, role)
    keep = ("unit", "role", "low", "high", "p_value")
    return [
        of_kind
        | {key: own[key] for key in keep}
        | {"class": name, "effect": own["effect"] * (place == unit % len(names))}
        for place, name in enumerate(names)
    ]


def curve_rows():
    rows = []
    for order, scale in (("screen", 1.5), ("active", 0.7), ("random", 0.1)):
        for size in SIZES:
            for draw in range(3 if order == "random" else 1):
                effect = scale * size + 0.01 * draw
                rows.append(
                    {
                        "order": order,
                        "size": size,
                        "units": size,
                        "share": 0.05 * size,
                        "effect_size": effect,
                        "low": effect - 0.1,
                        "high": effect + 0.1,
                        "kept": 0.9,
                    }
                )
    return rows
