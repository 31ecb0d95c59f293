"""What in an image a prediction rests on: maps, whether they add up, and whether they are right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.attribution import faithfulness, maps, paths, randomisation
from tickle_core.attribution.faithfulness import Curves
from tickle_core.attribution.maps import MAIN, UNTRAINED, Layer, Maps
from tickle_core.attribution.subject import Subject
from tickle_core.models.classifier import Classifier
from tickle_core.params.attribution import Attribution
from tickle_core.progress import progress

RANDOM_ORDERS = 3
SHOWN_SIDE = 56  # pixels along a side of the maps that are kept
CHECKED = ("gradient", MAIN)  # by randomisation, beside Grad-CAM of the headline layer


@dataclass(frozen=True)
class Analysed:
    """What attribution comes to.

    Attributes
    ----------
    metrics
        JSON-ready. `residual`: median over images, of integrated gradients from a black image.
        `methods`: per method `insertion` and `deletion` (areas under curves; null: cells in random
        order), `beyond.random` and `beyond.untrained` (by how much insertion less deletion exceeds
        that of random orders, and of the map of the network that learnt nothing; paired), and for
        path integrals `converged` (share of images within the tolerance) and `residual`.
        `randomised`: of some methods how alike maps are once all parts are untrained; null: the
        map of another image.
    tables
        `curves`: per method, kind and share of cells the mean probability with its interval.
        `images`: per method and image area, residual and steps. `maps`: of the images that are
        shown. `randomised`: per method and part.
    """

    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def analyse(
    subject: Subject,
    untrained: Classifier,
    layers: Mapping[str, tuple[str, Layer]],
    headline: str,
    anchors: tuple[np.ndarray, np.ndarray],
    section: Attribution,
    seed: int,
) -> Analysed:
    """Maps of all methods, judged.

    Parameters
    ----------
    layers
        By alias, module path and layer.
    headline
        Alias of the layer whose Grad-CAM is checked by randomisation.
    anchors
        Ids of the images that chains are made of, and their activations.
    """
    found = maps.of_pixels(subject, untrained, section, seed)
    found |= maps.of_chains(subject, *anchors, section, seed)
    for alias, (module, layer) in layers.items():
        for kind, each in maps.of_layer(subject, layer, module, section).items():
            found[f"{kind}_{alias}"] = each
    cells = faithfulness.cell_grid(subject.images.size, section.cells)
    curves = _judge(subject, found, cells, section, seed)
    metrics: dict[str, Any] = {"methods": _methods(found, curves, section, seed)}
    metrics["residual"] = metrics["methods"][MAIN]["residual"]
    metrics["randomised"], changed = _randomised(
        subject, untrained, found, layers.get(headline), headline, cells, section, seed
    )
    return Analysed(
        metrics,
        {
            "curves": _curve_table(curves, seed),
            "images": _image_table(subject, found, curves),
            "maps": _map_table(subject, found, _some(subject, section.shown, seed)),
            "randomised": changed,
        },
    )


def _judge(
    subject: Subject,
    found: Mapping[str, Maps],
    cells: tuple[int, int],
    section: Attribution,
    seed: int,
) -> dict[str, Curves]:
    """Deletion and insertion by each map, and by random orders of the cells."""
    mean = paths.mean_colour(subject.classifier, subject.images, seed)
    blurred = paths.blurred(subject.inputs)
    rng = np.random.default_rng(seed)
    orders = {
        name: (each.rows, (-_flat(each, cells)).argsort(1, kind="stable"))
        for name, each in found.items()
    }
    everyone, count = np.arange(len(subject.ids)), cells[0] * cells[1]
    for draw in range(RANDOM_ORDERS):
        orders[f"random{draw}"] = everyone, rng.random((len(everyone), count)).argsort(1)
    return {
        name: faithfulness.curves(subject, *each, cells, section.removals, mean, blurred)
        for name, each in progress(orders.items(), "deletion and insertion", "method")
    }


def _flat(each: Maps, cells: tuple[int, int]) -> np.ndarray:
    return faithfulness.on_cells(each.values, cells).reshape(len(each.rows), -1)


def _random_areas(curves: Mapping[str, Curves]) -> dict[str, np.ndarray]:
    """Areas of random orders, mean over the draws, by kind and image."""
    drawn = [curves[f"random{draw}"].areas for draw in range(RANDOM_ORDERS)]
    return {kind: np.mean([each[kind] for each in drawn], axis=0) for kind in drawn[0]}


def _methods(
    found: Mapping[str, Maps], curves: Mapping[str, Curves], section: Attribution, seed: int
) -> dict[str, Any]:
    random = _random_areas(curves)
    blank = _gap(curves[UNTRAINED].areas)
    methods: dict[str, Any] = {}
    for name, each in found.items():
        areas = curves[name].areas
        metrics: dict[str, Any] = {}
        for kind, values in areas.items():
            null = statistics.mean_estimate(random[kind][each.rows], seed)
            metrics[kind] = statistics.mean_estimate(values, seed) | {"null": null}
        beyond = {"random": _gap(areas) - _gap(random)[each.rows]}
        if name != UNTRAINED:
            beyond["untrained"] = _gap(areas) - blank[each.rows]
        metrics["beyond"] = {
            key: statistics.mean_estimate(values, seed) for key, values in beyond.items()
        }
        if each.residual is not None:
            metrics["residual"] = statistics.median_estimate(each.residual) | {
                "null": None,
                "why": "0 is exact, whatever the network has learned",
            }
            within = int((each.residual <= section.tolerance).sum())
            metrics["converged"] = statistics.proportion(within, len(each.rows))
        methods[name] = metrics
    return methods


def _gap(areas: Mapping[str, np.ndarray]) -> np.ndarray:
    return areas["insertion"] - areas["deletion"]


def _randomised(
    subject: Subject,
    untrained: Classifier,
    found: Mapping[str, Maps],
    headline: tuple[str, Layer] | None,
    alias: str,
    cells: tuple[int, int],
    section: Attribution,
    seed: int,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """How alike maps stay while the network forgets, part by part."""
    some = _some(subject, section.randomised_images, seed)
    few, count = subject.only(some), len(some)
    names = [*CHECKED, *([f"cam_{alias}"] if f"cam_{alias}" in found else [])]
    before = {name: _flat(found[name], cells)[some] for name in names}
    rows, last = [], {}
    stages = randomisation.cascade(subject.classifier, untrained, subject.images, seed)
    for order, (part, network) in enumerate(progress(stages, "randomisation", "part")):
        after = {
            "gradient": maps.gradient(few, network.network),
            MAIN: maps.integrated_from_black(few, network.network, section),
        }
        if headline is not None and len(names) > len(CHECKED):
            after[f"cam_{alias}"] = maps.cam_of(few, network, headline[0], headline[1].store)
        for name in names:
            last[name] = randomisation.alike(before[name], _flat(after[name], cells))
            estimate = statistics.mean_estimate(last[name], seed)
            low, high = estimate["interval"] or (np.nan, np.nan)
            rows.append((name, order, part, estimate["value"], low, high, count))
    metrics = {}
    for name in names:
        others = randomisation.alike(before[name], np.roll(before[name], 1, axis=0))
        null = statistics.mean_estimate(others, seed)
        metrics[name] = statistics.mean_estimate(last[name], seed) | {"null": null}
    columns = ["method", "order", "part", "value", "low", "high", "n"]
    return metrics, pd.DataFrame(rows, columns=columns)


def _some(subject: Subject, count: int, seed: int) -> np.ndarray:
    """Numbers of some of the subject's images, ascending."""
    order = np.random.default_rng(seed).permutation(len(subject.ids))
    return np.sort(order[:count])


def _curve_table(curves: Mapping[str, Curves], seed: int) -> pd.DataFrame:
    rows = []
    orders = [f"random{draw}" for draw in range(RANDOM_ORDERS)]
    drawn = [curves[name] for name in orders]
    merged = {name: each for name, each in curves.items() if name not in orders} | {
        "random": Curves(
            np.mean([each.deletion for each in drawn], axis=0),
            np.mean([each.insertion for each in drawn], axis=0),
        )
    }
    for name, each in merged.items():
        for kind in ("deletion", "insertion"):
            values = getattr(each, kind)
            ends = statistics.ratio_intervals(values, np.ones(len(values)), seed)
            shares = np.linspace(0, 1, values.shape[1])
            for share, mean, low, high in zip(shares, values.mean(0), *ends, strict=True):
                rows.append((name, kind, share, mean, low, high))
    return pd.DataFrame(rows, columns=["method", "kind", "share", "value", "low", "high"])


def _image_table(
    subject: Subject, found: Mapping[str, Maps], curves: Mapping[str, Curves]
) -> pd.DataFrame:
    parts = []
    for name, each in found.items():
        areas = curves[name].areas
        nothing = np.full(len(each.rows), np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "method": name,
                    "image_id": subject.ids[each.rows],
                    "predicted": subject.classes.cpu().numpy()[each.rows],
                    "insertion": areas["insertion"],
                    "deletion": areas["deletion"],
                    "residual": nothing if each.residual is None else each.residual,
                    "steps": nothing if each.steps is None else each.steps.astype(np.float64),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _map_table(subject: Subject, found: Mapping[str, Maps], shown: np.ndarray) -> pd.DataFrame:
    """Maps of some images, at most `SHOWN_SIDE` a side: method, image_id, height, values."""
    rows = []
    for name, each in found.items():
        side = tuple(min(length, SHOWN_SIDE) for length in each.values.shape[1:])
        small = faithfulness.on_cells(each.values, (side[0], side[1]))
        for row, values in zip(each.rows.tolist(), small, strict=True):
            if row in shown:
                rows.append((name, int(subject.ids[row]), side[0], values.ravel()))
    return pd.DataFrame(rows, columns=["method", "image_id", "height", "values"])
