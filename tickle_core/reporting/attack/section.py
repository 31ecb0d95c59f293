"""The section on attacks: how little changes a prediction."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from tickle_core.reporting.attack import figures
from tickle_core.reporting.attack.found import Found, read
from tickle_core.reporting.attack.words import ATTACKS, NORMS, SYMBOLS
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit import embedding, plots
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import Column, Table, number, percent, share

MOST_CLASSES = 20  # of a matrix that can be read
MIDDLE, REACH = 128, 127  # grey for no change, and how far from it the largest change is shown


@dataclass(frozen=True)
class Example:
    """A clean image, and keys of its adversarial one and of the change."""

    image_id: int
    own: str
    became: str
    adversarial: str
    change: str


def section(context: Context) -> Section:
    """Success of each attack at each radius beside noise, and images that fell."""
    found = read(context)
    names = context.card["class_names"]
    pictures: dict[str, str] = {}
    shown = examples(context, found, names, pictures)
    norms = in_order(found.metrics["norms"])
    drawn = {"attack_success": figures.success_figure(norms)}
    flipped = {*found.flips["own"], *found.flips["became"]}
    if 0 < len(flipped) <= MOST_CLASSES:
        drawn["attack_flips"] = figures.flip_figure(found.flips, names)
    return Section(
        name="attack",
        title="Attacks",
        summary=_summary(found.metrics, context),
        settings=context.params.attack.model_dump(),
        figures=drawn,
        tables={
            "attack": attack_table(norms),
            "attack_classes": class_table(found.classes, names),
            "attack_became": flip_table(found.flips, names),
        },
        image_ids={each.image_id for each in shown},
        pictures=pictures,
        facts={
            "examples": shown,
            "images": found.metrics["images"],
            "clean": found.metrics["clean_accuracy"],
            "radius": radius(context),
            "norms": NORMS,
        },
    )


def in_order(norms: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The numbers by norm and radius, the smallest first: a file sorts radii as texts."""
    return {norm: dict(sorted(norms[norm].items(), key=_size)) for norm in NORMS}


def _size(radius: tuple[str, Any]) -> Fraction:
    return Fraction(radius[0])


def radius(context: Context) -> str:
    """The radius that is studied, as people write it."""
    studied = context.params.attack.studied
    return f"{round(studied.eps * 255)}/255" if studied.norm == "linf" else f"{studied.eps:g}"


def examples(
    context: Context, found: Found, names: list[str], pictures: dict[str, str]
) -> list[Example]:
    """Images that fell, evenly from all classes; their pictures are added to `pictures`."""
    fallen = found.perturbed[found.perturbed["kind"] == "adversarial"]
    in_order = fallen.sort_values(["own", "became", "image_id"])
    size = embedding.embedded_size(context.images.size, 3 * context.params.attack.shown)
    shown = []
    for place in plots.evenly(len(in_order), context.params.attack.shown) if len(in_order) else []:
        row = in_order.iloc[place]
        image = int(row["image_id"])
        adversarial = found.images.read([in_order.index[place]])[0]
        change = adversarial.astype(np.int16) - context.images.read([image])[0]
        most = max(1, np.abs(change).max())
        keys = [f"attack-{image}-{kind}" for kind in ("adversarial", "change")]
        seen = (MIDDLE + np.rint(change * (REACH / most))).astype(np.uint8)
        for key, pixels in zip(keys, (adversarial, seen), strict=True):
            pictures[key] = embedding.data_uri(pixels, size)
        shown.append(Example(image, names[row["own"]], names[row["became"]], *keys))
    return shown


def attack_table(norms: dict[str, dict[str, Any]]) -> Table:
    """One row per norm and radius."""
    columns = (
        Column("norm", "Norm"),
        Column("radius", "Radius"),
        *(Column(name, title, 3, interval=True) for name, title in ATTACKS.items()),
        Column("noise", "Noise", 3, interval=True),
        Column("robust", "Robust accuracy", 3, interval=True),
        Column("under_noise", "Accuracy under noise", 3, interval=True),
        Column("n", "Attacked", 0),
    )
    rows = [
        {
            "norm": SYMBOLS[norm],
            "radius": name,
            **{attack: each[attack] for attack in ATTACKS},
            "noise": each["pgd"]["null"],
            "robust": each["robust_accuracy"],
            "under_noise": each["robust_accuracy"]["null"],
            "n": each["pgd"]["n"],
        }
        for norm, radii in norms.items()
        for name, each in radii.items()
    ]
    return Table(columns, rows)


def class_table(classes: pd.DataFrame, names: list[str]) -> Table:
    """One row per class that was attacked."""
    columns = (
        Column("class", "Class"),
        Column("success", "PGD", 2, interval=True),
        Column("noise", "Noise", 2),
        Column("n", "n", 0),
    )
    rows = [
        {
            "class": names[row.own],
            "success": {"value": row.value, "interval": [row.low, row.high]},
            "noise": float(row.noise),
            "n": int(row.n),
        }
        for row in classes.itertuples()
    ]
    return Table(columns, rows)


def flip_table(flips: pd.DataFrame, names: list[str]) -> Table:
    """One row per pair of classes, the most frequent first."""
    columns = (Column("own", "Class"), Column("became", "Became"), Column("count", "Images", 0))
    in_order = flips.sort_values(["count", "own", "became"], ascending=[False, True, True])
    rows = [
        {"own": names[own], "became": names[became], "count": int(count)}
        for own, became, count in in_order[["own", "became", "count"]].to_numpy()
    ]
    return Table(columns, rows)


def _summary(metrics: dict[str, Any], context: Context) -> str:
    found = metrics["success"]
    if found["value"] is None:
        return ""
    norm = NORMS[context.params.attack.studied.norm]
    return (
        f"Of {number(found['n'])} correctly classified images, {percent(found['value'], 0)} are "
        f"taken for something else after a change of {radius(context)} ({norm}); noise of that "
        f"size, of {number(context.params.attack.noise_draws)} draws any, does it for "
        f"{share({'value': found['null']['value']})}."
    )
