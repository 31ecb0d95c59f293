"""Paths of least cost between classes: everything that the stage `path` reports."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from tickle_core import statistics
from tickle_core.attacks.balls import Ball
from tickle_core.geometry import geodesics
from tickle_core.models.path_integral import chain, path_sum
from tickle_core.models.pixels import of_pixels
from tickle_core.params.attack import Attack
from tickle_core.params.path import Path
from tickle_core.path import pairs, spaces, switches, ways
from tickle_core.path.landscape import LEAST_RISE, Landscape, score
from tickle_core.path.pairs import Pairs
from tickle_core.path.spaces import Layer, Space
from tickle_core.path.walks import Walked, walk

ONE_CLASS = "fewer than two classes are predicted for these images: no path leads anywhere"
HELD_AGAINST = "other ways are what the path of least cost is held against"
ATTRIBUTED = ("string", "straight")  # ways along which L is attributed to pixels
STEPS = 64  # of an attribution
PLANE_IMAGES = 1000  # behind the plane of principal components
NUMBERS = ("excess", "length", "barrier", "flip", "overshoot")
OF_IMAGES = ("largest", "unlike")
PATHS = [
    *("space", "way", "pair", "first", "last", "first_id", "last_id"),
    *("cost", "rise", *NUMBERS, *OF_IMAGES),
]
PROFILES = ["space", "way", "pair", "step", "at", "difference", "others", "predicted", "x", "y"]
SWITCHES = ["way", "pair", *switches.COLUMNS]


@dataclass(frozen=True)
class Analysed:
    """What paths came to.

    Attributes
    ----------
    metrics
        JSON-ready. `pairs` of images, and of how many pairs of `classes`; without any, `why` and no
        more. For `pixels` and for the `layer`, of the path of least cost the medians over pairs of
        NUMBERS, whose null is the straight line; `settled`, its cost in parts of that with half as
        many segments; and `rivals`, the same numbers of other ways. For pixels also `largest`, the
        largest change of a pixel where the prediction first changes, `unlike`, 1 - SSIM there, and
        how many latents switch `on`, `off` or are `passing`. `residual` of the attributions.
    tables
        `paths` (PATHS), one row per way and pair; `profiles` (PROFILES), one per point that is
        looked at; `switches` (SWITCHES); `plane`: x, y and class of real images.
    strips
        By way and pair, images (s, H, W, C) uint8 along it, evenly spaced.
    maps
        By way and pair, attributions of the change of L along it to pixels (H, W).
    """

    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    strips: dict[tuple[str, int], np.ndarray]
    maps: dict[tuple[str, int], np.ndarray]


def analyse(
    layer: Layer, flips: pd.DataFrame, attack: Attack, section: Path, seed: int
) -> Analysed:
    """Look for paths of least cost through pixels and through a layer, and along them.

    L is the difference of two logits, that of the class where a path ends less that where it
    starts. Memory: the nodes of all paths through one space, and a batch forth and back.

    Parameters
    ----------
    flips
        own, became, count: how often attacks confuse classes.

    Raises
    ------
    TickleError
        If params name a class that the model lacks.
    """
    chosen = _pairs(layer, flips, section, seed)
    if not len(chosen):
        return _nothing()
    edges = geodesics.graph(layer.cloud.neighbours, section.neighbours)
    graph = [geodesics.path(edges, *ends) for ends in chosen.ends.tolist()]
    stations = [path or ends for path, ends in zip(graph, chosen.ends.tolist(), strict=True)]
    ids = layer.ids[chosen.ends]
    walked: dict[str, Walked] = {}
    settled: dict[str, list[float]] = {}
    found = {}
    for space in (spaces.through_pixels(layer, chosen), spaces.through_layer(layer, chosen)):
        between = ways.between(
            space.landscape,
            [space.stations(each) for each in stations],
            [bool(path) for path in graph],
            section.segments,
            section.steps,
        )
        nodes = between.nodes
        if space.name == "pixels":
            nodes["attack"] = _attacks(layer, space, chosen, attack)
        walked[space.name] = walk(space, nodes, chosen, ids, section.parts)
        settled[space.name] = _settled(space.landscape, between, section.parts)
        found[space.name] = nodes
    pixels = found["pixels"]
    landscape = spaces.through_pixels(layer, chosen).landscape
    attributed = {way: _attribute(landscape, pixels[way]) for way in ATTRIBUTED}
    plane, labels = _plane(layer)
    tables = _tables(walked, plane)
    return Analysed(
        _metrics(tables, settled, attributed, chosen, layer, seed),
        tables | {"plane": _real(layer, plane, labels)},
        walked["pixels"].strips,
        {
            (way, pair): each
            for way, (maps, _) in attributed.items()
            for pair, each in enumerate(maps)
        },
    )


def _pairs(layer: Layer, flips: pd.DataFrame, section: Path, seed: int) -> Pairs:
    """Images that the network takes for what they are, or whatever it takes those of no known
    class for.
    """
    names = layer.splice.classifier.card["class_names"]
    predicted = layer.store.predictions(layer.rows)
    targets = layer.splice.targets[layer.ids]
    usable = (targets < 0) | (targets == predicted)
    wanted = pairs.of_names(section.classes, names) or pairs.confused(flips, predicted[usable])
    return pairs.draw(wanted, predicted, usable, section.pairs, seed)


def _attacks(layer: Layer, space: Space, chosen: Pairs, attack: Attack) -> ways.Lines:
    classifier = layer.splice.classifier
    ball = Ball(attack.studied.norm, attack.studied.eps)
    return ways.attack(
        of_pixels(classifier, layer.splice.images),
        space.stations(chosen.ends[:, 0].tolist()),
        torch.from_numpy(chosen.classes[:, 1]).to(classifier.device),
        ball,
        attack.steps,
        attack.step * ball.eps,
    )


def _settled(landscape: Landscape, found: ways.Found, parts: int) -> list[float]:
    """Cost of each string in parts of the one with half as many segments."""
    costs = [
        [score(landscape, nodes, pair, parts).cost for pair, nodes in enumerate(several)]
        for several in (found.strings, found.coarser)
    ]
    return [fine / max(coarse, LEAST_RISE) for fine, coarse in zip(*costs, strict=True)]


def _attribute(landscape: Landscape, nodes: ways.Lines) -> tuple[list[np.ndarray], list[float]]:
    """L along each path attributed to pixels, (H, W), and by how much of its change it is off."""
    maps, residuals = [], []
    for pair, line in enumerate(nodes):
        assert line is not None, "strings and straight lines are there for each pair"
        device = line.device
        places = torch.arange(len(line), device=device)[None]
        path = chain(line, places, torch.tensor([len(line)], device=device))

        def of_pair(points: torch.Tensor, which: torch.Tensor, pair: int = pair) -> torch.Tensor:
            return landscape.function(points, torch.full_like(which, pair))

        found = path_sum(of_pair, path, places[0, :1], STEPS, landscape.at_once)[0]
        ends = torch.full((2,), pair, device=device)
        start, end = landscape.function(line[[0, -1]], ends).detach().double()
        change = end - start
        missed = (found.double().sum() - change).abs() / change.abs().clamp_min(LEAST_RISE)
        maps.append(found.sum(0).cpu().numpy())
        residuals.append(float(missed))
    return maps, residuals


@dataclass(frozen=True)
class Plane:
    """The first two principal components of the layer's pooled activations."""

    mean: np.ndarray
    axes: np.ndarray

    def of(self, points: np.ndarray) -> np.ndarray:
        """Coordinates of points (n, d), (n, 2)."""
        return (points - self.mean) @ self.axes.T


def _plane(layer: Layer) -> tuple[Plane, np.ndarray]:
    """The plane, and which of the cloud's points it is of."""
    count = len(layer.cloud.points)
    some = np.unique(np.linspace(0, count - 1, min(count, PLANE_IMAGES)).astype(int))
    points = layer.cloud.points[some].astype(np.float64)
    _, _, axes = np.linalg.svd(points - points.mean(0), full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2].sum(1) + 1e-300)[:, None]
    return Plane(points.mean(0), np.pad(axes, ((0, 2 - len(axes)), (0, 0)))), some


def _real(layer: Layer, plane: Plane, some: np.ndarray) -> pd.DataFrame:
    x, y = plane.of(layer.cloud.points[some]).T
    return pd.DataFrame({"x": x, "y": y, "predicted": layer.store.predictions(layer.rows[some])})


def _tables(walked: dict[str, Walked], plane: Plane) -> dict[str, pd.DataFrame]:
    profiles = pd.concat(
        [each for of in walked.values() for each in of.profiles], ignore_index=True
    )
    profiles[["x", "y"]] = plane.of(np.stack(profiles["pooled"].tolist()))
    switched = pd.concat(walked["pixels"].switches, ignore_index=True)
    return {
        "paths": pd.DataFrame([row for of in walked.values() for row in of.paths], columns=PATHS),
        "profiles": profiles[PROFILES],
        "switches": switched[SWITCHES],
    }


def _metrics(
    tables: dict[str, pd.DataFrame],
    settled: dict[str, list[float]],
    attributed: dict[str, tuple[list[np.ndarray], list[float]]],
    chosen: Pairs,
    layer: Layer,
    seed: int,
) -> dict[str, Any]:
    paths = tables["paths"]
    found: dict[str, Any] = {
        "pairs": len(chosen),
        "classes": len({tuple(pair) for pair in chosen.classes.tolist()}),
        "layer_alias": layer.alias,
        "linear_tail": layer.splice.layer["linear_tail"],
    }
    for space, several in paths.groupby("space", sort=True):
        names = (*NUMBERS, *OF_IMAGES) if space == "pixels" else NUMBERS
        of_ways = {
            way: {name: statistics.median_estimate(rows[name].to_numpy(float)) for name in names}
            for way, rows in several.groupby("way", sort=True)
        }
        straight = of_ways["straight"]
        own = {
            name: each | {"null": straight[name]} for name, each in of_ways.pop("string").items()
        }
        found[str(space)] = own | {
            "settled": statistics.median_estimate(np.array(settled[str(space)])),
            "rivals": of_ways,
        }
    found["switches"] = {
        kind: _count(tables["switches"], kind, "string", len(chosen), seed)
        | {"null": _count(tables["switches"], kind, "straight", len(chosen), seed)}
        for kind in ("on", "off", "passing")
    }
    found["residual"] = statistics.median_estimate(np.array(attributed["string"][1])) | {
        "null": statistics.median_estimate(np.array(attributed["straight"][1]))
    }
    return found


def _count(table: pd.DataFrame, kind: str, way: str, count: int, seed: int) -> dict[str, Any]:
    """How many latents switch along a way, as a median over pairs."""
    own = table[(table["kind"] == kind) & (table["way"] == way)]
    return statistics.median_estimate(np.bincount(own["pair"].astype(int), minlength=count))


def _nothing() -> Analysed:
    """Where no path leads anywhere."""
    tables = {"paths": PATHS, "profiles": PROFILES, "switches": SWITCHES}
    empty = {name: pd.DataFrame(columns=columns) for name, columns in tables.items()}
    plane = pd.DataFrame(columns=["x", "y", "predicted"])
    return Analysed({"pairs": 0, "why": ONE_CLASS}, empty | {"plane": plane}, {}, {})
