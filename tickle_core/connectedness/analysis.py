"""Whether the images of a class hang together in a layer: what ways between them cross."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist

from tickle_core import statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.connectedness import ways
from tickle_core.connectedness.along import NUMBERS, Along, Surroundings, look, surroundings
from tickle_core.connectedness.pairs import KINDS, Kind, Pairs, draw
from tickle_core.connectedness.ways import WAYS
from tickle_core.geometry import geodesics
from tickle_core.geometry.clouds import Cloud
from tickle_core.models.splicing import Splice
from tickle_core.params.connectedness import Connectedness
from tickle_core.progress import progress

STRAIGHT_LINE = "0 by construction: on a straight line it only rises or falls"
READ_BYTES = 128 * 2**20
POINT_COLUMNS = ["kind", "way", "pair", "step", "at", "loss", "kept", "nearest"]
ENDS = [f"{name}{end}" for name in ("loss", "kept") for end in ("", "_low", "_high")]


@dataclass(frozen=True)
class Subject:
    """One layer of one network.

    Attributes
    ----------
    cloud
        Pooled vectors of held-out images.
    module
        Path of the layer.
    """

    store: ActivationStore
    cloud: Cloud
    splice: Splice
    module: str

    @property
    def rows(self) -> np.ndarray:
        """Rows of the store, of the cloud's points."""
        return self.store.test_rows[self.cloud.images]

    @property
    def image_ids(self) -> np.ndarray:
        """Images of the set, of the cloud's points."""
        return self.store.image_ids[self.rows]


@dataclass(frozen=True)
class Walked:
    """What all pairs of one network came to.

    Attributes
    ----------
    pairs
        One row per pair and way: kind, way, pair, class_first, class_last and the `NUMBERS`.
    points
        One row per pair, way and point: kind, way, pair, step, at (share of the way), loss, kept,
        and `nearest`, the real point that is nearest to it.
    stations
        By kind, for each pair the real points of the path along the graph; empty without one.
    """

    pairs: pd.DataFrame
    points: pd.DataFrame
    stations: dict[Kind, list[list[int]]]


@dataclass(frozen=True)
class Analysed:
    """What a layer came to.

    Attributes
    ----------
    metrics
        JSON-ready. By way and number (`along.NUMBERS`) the mean over pairs of a class, its null
        that of pairs of different classes, `untrained` the same of a network that learnt nothing.
        `unreachable`: share of the pairs without a path along the graph. `purity`: of the images
        between the ends of such a path those of the same class; its null is with predictions
        shuffled. `linear_tail`: whether the network behind the layer is linear: the straight line
        within a class then has no barrier by construction.
    tables
        `pairs` and `points`, those of `Walked` by `of` (trained, untrained), the points averaged
        over pairs with intervals; `strips`, ways to look at.
    """

    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def analyse(trained: Subject, untrained: Subject, settings: Connectedness, seed: int) -> Analysed:
    """Walk between images in a trained network and in one that learnt nothing."""
    subjects = {"trained": trained, "untrained": untrained}
    predicted = {of: each.store.predictions(each.rows) for of, each in subjects.items()}
    wanted, walked = settings.classes * settings.pairs, {}
    for of, subject in subjects.items():
        walked[of] = walk(subject, predicted[of], wanted, settings, seed)
        wanted = len(walked[of].stations["within"])  # no more of the untrained one
    metrics: dict[str, Any] = {
        way: {
            name: _number(walked["trained"].pairs, way, name, seed)
            | {"untrained": _number(walked["untrained"].pairs, way, name, seed)}
            for name in NUMBERS
        }
        for way in WAYS
    }
    metrics["unreachable"] = _unreachable(walked["trained"]) | {
        "untrained": _unreachable(walked["untrained"])
    }
    metrics["purity"] = _purity(walked["trained"], predicted["trained"], settings.draws, seed) | {
        "untrained": _purity(walked["untrained"], predicted["untrained"], settings.draws, seed)
    }
    metrics["linear_tail"] = trained.splice.layer["linear_tail"]
    pairs = [each.pairs.assign(of=of) for of, each in walked.items()]
    profiles = [_profiles(each.points, seed).assign(of=of) for of, each in walked.items()]
    tables = {
        "pairs": pd.concat(pairs, ignore_index=True),
        "points": pd.concat(profiles, ignore_index=True),
        "strips": _strips(walked["trained"], trained.image_ids, settings.shown),
    }
    return Analysed(metrics, tables)


def walk(
    subject: Subject, predicted: np.ndarray, wanted: int, settings: Connectedness, seed: int
) -> Walked:
    """Every way between all pairs.

    Memory: tokens of `READ_BYTES`, and those of the points of a way.

    Parameters
    ----------
    predicted
        (n,) class of each point of the cloud.
    wanted
        Pairs of either kind.
    """
    cloud = subject.cloud
    edges = geodesics.graph(cloud.neighbours, settings.neighbours)
    real = surroundings(cloud.points, cloud.neighbours.distances, predicted)
    at = torch.linspace(0, 1, settings.points, dtype=torch.float64)
    pairs, points = [], []
    stations: dict[Kind, list[list[int]]] = {}
    for kind, drawn in draw(predicted, settings.classes, wanted, seed).items():
        stations[kind] = [geodesics.path(edges, *ends) for ends in drawn.ends.tolist()]
        passed = [
            path or ends for path, ends in zip(stations[kind], drawn.ends.tolist(), strict=True)
        ]
        tokens = _token_reader(subject, passed)
        for number in progress(range(len(drawn)), f"ways {kind} classes", "pair"):
            ends, path = drawn.ends[number], stations[kind][number]
            for way, pooled, logits in _ways(subject, ends, path, next(tokens), at):
                along = look(
                    pooled,
                    logits,
                    drawn.classes[number],
                    real,
                    path if way == "graph" else ends.tolist(),
                )
                pairs.append(_pair(kind, way, number, drawn, along))
                points.append(_points(kind, way, number, at, along, pooled, real))
    no_pair = pd.DataFrame(columns=["kind", "way", "pair", "class_first", "class_last", *NUMBERS])
    no_point = pd.DataFrame(columns=POINT_COLUMNS)
    return Walked(
        pd.DataFrame(pairs) if pairs else no_pair,
        pd.concat(points, ignore_index=True) if points else no_point,
        stations,
    )


def _token_reader(subject: Subject, passed: Sequence[list[int]]) -> Iterator[torch.Tensor]:
    """For each list of points their tokens (n, positions, d), several lists read at once."""
    shape, device = subject.store.tokens.shape[1:], subject.splice.classifier.device
    together = max(1, READ_BYTES // (4 * int(np.prod(shape))))
    batch: list[list[int]] = []
    for place, points in enumerate(passed):
        batch.append(points)
        if sum(map(len, batch)) < together and place + 1 < len(passed):
            continue
        rows, number = np.unique(np.concatenate(batch), return_inverse=True)
        blocks = [tokens for _, tokens in subject.store.token_blocks(subject.rows[rows])]
        read = np.concatenate(blocks)[number].astype(np.float32)
        for tokens in np.split(read, np.cumsum([len(each) for each in batch])[:-1]):
            yield torch.from_numpy(tokens).to(device)
        batch = []


def _ways(
    subject: Subject, ends: np.ndarray, path: list[int], tokens: torch.Tensor, at: torch.Tensor
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each way between two points: its name, pooled activations and logits along it.

    Parameters
    ----------
    tokens
        Of the path along the graph, or of the ends where there is none.
    """
    splice, ids = subject.splice, subject.image_ids[ends]
    nearest = ids[(at.numpy() >= 0.5).astype(int)]
    outer = tokens[[0, -1]]
    yield "straight", *ways.decoded(splice, ways.straight(outer, at), nearest)
    yield "sphere", *ways.decoded(splice, ways.sphere(outer, at), nearest)
    if path:
        lengths = _lengths(subject.cloud.points[path])
        yield "graph", *ways.decoded(splice, ways.graph(tokens, lengths, at), nearest)
    blended = ways.blend(splice.images.read(ids), at.tolist())
    yield "pixels", *ways.through_pixels(splice, subject.module, blended)


def _lengths(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(points.astype(np.float64), axis=0), axis=1)


def _pair(kind: Kind, way: str, number: int, drawn: Pairs, along: Along) -> dict[str, Any]:
    first, last = drawn.classes[number].tolist()
    found = {name: getattr(along, name) for name in NUMBERS}
    head = {"kind": kind, "way": way, "pair": number, "class_first": first, "class_last": last}
    return head | found


def _points(
    kind: Kind,
    way: str,
    number: int,
    at: torch.Tensor,
    along: Along,
    pooled: np.ndarray,
    real: Surroundings,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "kind": kind,
            "way": way,
            "pair": number,
            "step": np.arange(len(at)),
            "at": at.numpy(),
            "loss": along.losses,
            "kept": along.kept,
            "nearest": cdist(pooled.astype(np.float64), real.points).argmin(1),
        }
    )


def _number(pairs: pd.DataFrame, way: str, name: str, seed: int) -> dict[str, Any]:
    """The mean over pairs of a class; its null is that of the others."""
    values = {
        kind: pairs.loc[(pairs["kind"] == kind) & (pairs["way"] == way), name].to_numpy(float)
        for kind in KINDS
    }
    found = {kind: _mean(each, seed) for kind, each in values.items()}
    if name == "detour" and way == "straight":
        found = {
            kind: {"value": 0.0, "interval": None, "n": len(each), "why": STRAIGHT_LINE}
            for kind, each in values.items()
        }
    return found["within"] | {"null": found["between"]}


def _mean(values: np.ndarray, seed: int) -> dict[str, Any]:
    if not len(values):
        return {"value": None, "interval": None, "n": 0, "why": "no such pair"}
    return statistics.mean_estimate(values, seed)


def _unreachable(walked: Walked) -> dict[str, Any]:
    found = {
        kind: _proportion([not path for path in paths]) for kind, paths in walked.stations.items()
    }
    return found["within"] | {"null": found["between"]}


def _purity(walked: Walked, predicted: np.ndarray, draws: int, seed: int) -> dict[str, Any]:
    """Of the images between the ends of paths within a class, those of the class."""
    paths = [path for path in walked.stations["within"] if len(path) > 2]
    if not paths:
        return {"value": None, "interval": None, "n": 0, "why": "no path has an image between"}
    rng = np.random.default_rng(seed)

    def same(labels: np.ndarray) -> np.ndarray:
        return np.array([(labels[path[1:-1]] == predicted[path[0]]).mean() for path in paths])

    shuffled = [same(rng.permutation(predicted)).mean() for _ in range(draws)]
    others = _mean(1 - same(predicted), seed)
    found = others | {"value": 1 - others["value"]}
    if found["interval"]:
        low, high = found["interval"]
        found["interval"] = [max(0.0, 1 - high), min(1.0, 1 - low)]
    return found | {"null": statistics.drawn(shuffled)}


def _proportion(cases: Sequence[bool]) -> dict[str, Any]:
    if not cases:
        return {"value": None, "interval": None, "n": 0, "why": "no such pair"}
    return statistics.proportion(sum(cases), len(cases))


def _profiles(points: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Loss and share of kept pairs by kind, way and step, with the ends of their intervals."""
    rows = []
    for (kind, way, step), own in points.groupby(["kind", "way", "step"], sort=True):
        loss = _mean(own["loss"].to_numpy(float), seed)
        kept = _proportion(own["kept"].tolist())
        row = {"kind": kind, "way": way, "step": step, "at": own["at"].iloc[0], "n": len(own)}
        for name, found in {"loss": loss, "kept": kept}.items():
            low, high = found["interval"] or (np.nan, np.nan)
            row |= {name: found["value"], f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    table = pd.DataFrame(rows, columns=["kind", "way", "step", "at", "n", *ENDS])
    return table.astype(dict.fromkeys(["at", *ENDS], np.float64))


def _strips(walked: Walked, image_ids: np.ndarray, shown: int) -> pd.DataFrame:
    """Pairs to look at, by the barrier of the straight line: a class's highest and lowest ones,
    and the lowest between classes; along each way the real image that each point is nearest to.
    """
    pairs, tables = walked.pairs, []
    straight = pairs[pairs["way"] == "straight"].sort_values("barrier", kind="stable")
    of_kind = {kind: straight[straight["kind"] == kind]["pair"].tolist() for kind in KINDS}
    chosen = {
        ("within", "most"): of_kind["within"][::-1][:shown],
        ("within", "least"): of_kind["within"][:shown],
        ("between", "least"): of_kind["between"][:shown],
    }
    for (kind, side), numbers in chosen.items():
        for rank, number in enumerate(numbers):
            own = walked.points
            own = own[(own["kind"] == kind) & (own["pair"] == number)]
            found = own.assign(
                side=side, rank=rank, image_id=image_ids[own["nearest"].to_numpy(int)]
            )
            tables.append(found)
    columns = ["kind", "side", "rank", "pair", "way", "step", "at", "loss", "kept", "image_id"]
    return pd.concat([pd.DataFrame(columns=columns), *tables], ignore_index=True)[columns]
