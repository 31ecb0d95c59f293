"""A linear classifier at every spatial position: where in the image can the class be read off?

Ridge regression on one-hot labels needs only the Gram matrix of the tokens and their product with
the labels, so tokens are streamed and never held. One image can be probed at hundreds of positions
for little more than the cost of reading it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import solve
from threadpoolctl import threadpool_limits

from tickle_core import logistic
from tickle_core.errors import TickleError
from tickle_core.progress import progress
from tickle_core.statistics import proportion, proportion_interval

# A source of (tokens (b, positions, d), labels (b,)), to be read anew on each call.
Chunks = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]

# Bound on the Gram matrices, label products and weights that are held at once.
MOST_BYTES = 2**30


@dataclass(frozen=True)
class Mapped:
    """What the probes of all positions of one layer came to.

    Attributes
    ----------
    metrics
        JSON-ready. `best`: the accuracy on the test part at the `position` that was best on the
        validation part, so that having chosen it does not flatter it; its null is the accuracy of
        always guessing the most frequent train class. Class and register tokens take no part in
        it where there are patches. `grid`, `prefix`: as given.
    table
        Per position its number, `kind` ("patch", or what the prefix names), `row` and `column` in
        the grid (null outside of it), accuracy `value` on the test part, its Wilson ends `low` and
        `high` (of each position by itself), and the chosen `strength`.
    """

    metrics: dict[str, Any]
    table: pd.DataFrame


def fit(
    fit_part: Chunks,
    validation_part: Chunks,
    test_part: Chunks,
    classes: int,
    strengths: list[float],
    prefix: Sequence[str] = (),
    grid: Sequence[int] | None = None,
) -> Mapped:
    """Probe each position of a layer for the class label.

    One-vs-rest ridge classifier with intercept, on features standardised per position with the
    images it is fitted on: min_W ||Y - XW||^2 + ||W||^2 / C. At each position C is the one of
    `strengths` with the best accuracy on the validation part (the smallest such C); the probe is
    then refitted on the fit and validation part together and evaluated on the test part.

    Accumulators take about 8 positions d (d + classes (2 + strengths)) bytes. Where that exceeds
    `MOST_BYTES`, groups of positions that fit are probed one after the other, each with its own
    pass over the data. Beyond that, memory is a few float64 copies of one chunk.

    Parameters
    ----------
    fit_part, validation_part, test_part
        Sources of (tokens (b, positions, d), labels (b,)) chunks, none of them empty; labels
        are 0 .. classes - 1.
    strengths
        Candidates for C, the inverse regularisation, as in `probes.linear`.
    prefix
        What the first positions are that are no patches.
    grid
        (h, w) of the patches, if they have one.

    Raises
    ------
    TickleError
        If the accumulators of a single position exceed `MOST_BYTES`.
    """
    tokens, _ = next(iter(fit_part()))
    _, positions, d = tokens.shape
    if grid is not None and grid[0] * grid[1] != positions - len(prefix):
        raise ValueError(f"a grid of {grid} does not have {positions - len(prefix)} positions")
    # Measured from the first image's tokens, constant channels are exactly zero and features far
    # from zero do not cancel.
    origin = tokens[0].astype(np.float64)

    # One thread: the products are small, and sums then come in one order on every machine.
    with threadpool_limits(limits=1):
        groups = [
            _fit_group(fit_part, validation_part, test_part, origin, classes, strengths, group)
            for group in _groups(positions, d, classes, len(strengths))
        ]

    hits, validated, chosen = (
        np.concatenate([getattr(group, name) for group in groups])
        for name in ("hits", "validated", "strengths")
    )
    test_counts = groups[0].test_counts
    n = int(test_counts.sum())
    majority = int(test_counts[groups[0].train_counts.argmax()])
    # Patches if there are any; of equally good ones the first.
    candidates = np.arange(len(prefix) if len(prefix) < positions else 0, positions)
    best = int(candidates[validated[candidates].argmax()])
    metrics = {
        "best": {
            **proportion(int(hits[best]), n),
            "null": proportion(majority, n),
            "position": best,
        },
        "grid": None if grid is None else list(grid),
        "prefix": list(prefix),
    }
    return Mapped(metrics, _table(hits, n, chosen, prefix, grid))


def unjudged(prefix: Sequence[str], grid: Sequence[int] | None) -> Mapped:
    """`fit` where no class is on both sides of the split, so that no probe can be right."""
    best = {"value": None, "interval": None, "n": 0, "why": logistic.NOTHING_SHARED}
    metrics = {"best": best, "grid": grid and list(grid), "prefix": list(prefix)}
    return Mapped(metrics, _table(np.zeros(0, int), 1, np.zeros(0), (), None))


def _table(
    hits: np.ndarray,
    n: int,
    strengths: np.ndarray,
    prefix: Sequence[str],
    grid: Sequence[int] | None,
) -> pd.DataFrame:
    patches = len(hits) - len(prefix)
    cells = np.arange(patches)
    rows, columns = np.divmod(cells, grid[1]) if grid else ([None] * patches, [None] * patches)
    outside = [None] * len(prefix)
    intervals = np.array([proportion_interval(int(count), n) for count in hits]).reshape(-1, 2)
    return pd.DataFrame(
        {
            "position": np.arange(len(hits)),
            "kind": [*prefix, *["patch"] * patches],
            "row": pd.array([*outside, *rows], dtype="Int64"),
            "column": pd.array([*outside, *columns], dtype="Int64"),
            "value": hits / n,
            "low": intervals[:, 0],
            "high": intervals[:, 1],
            "strength": strengths,
        }
    )


@dataclass(frozen=True)
class _Group:
    """What is known of a group of p positions; k classes."""

    hits: np.ndarray  # (p,), test images classified rightly
    validated: np.ndarray  # (p,), validation images classified rightly at the chosen strength
    strengths: np.ndarray  # (p,)
    train_counts: np.ndarray  # (k,), images per class
    test_counts: np.ndarray  # (k,)


def _fit_group(
    fit_part: Chunks,
    validation_part: Chunks,
    test_part: Chunks,
    origin: np.ndarray,
    classes: int,
    strengths: list[float],
    group: slice,
) -> _Group:
    """Choose C, refit and test at the positions of a group, in one pass over each part."""
    positions, d = origin[group].shape
    moments = _Moments(
        np.zeros((positions, d, d)), np.zeros((positions, d, classes)), np.zeros(classes)
    )
    for x_pbd, labels in _read(fit_part, origin, group):
        moments.add(x_pbd, labels)

    candidates = np.tile(np.sort(strengths), (positions, 1))
    probes = _solve(moments, candidates)
    validation_hits = np.zeros(candidates.shape, int)
    for x_pbd, labels in _read(validation_part, origin, group):
        validation_hits += probes.hits(x_pbd, labels)
        moments.add(x_pbd, labels)

    best = validation_hits.argmax(axis=1, keepdims=True)
    chosen = np.take_along_axis(candidates, best, axis=1)
    probes = _solve(moments, chosen)
    hits, test_counts = np.zeros(positions, int), np.zeros(classes, int)
    for x_pbd, labels in _read(test_part, origin, group):
        hits += probes.hits(x_pbd, labels)[:, 0]
        test_counts += np.bincount(labels, minlength=classes)
    return _Group(hits, validation_hits.max(axis=1), chosen[:, 0], moments.counts, test_counts)


def _read(
    part: Chunks, origin: np.ndarray, group: slice
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The chunks of a part: (p, b, d) features of a group of positions, and labels (b,)."""
    what = f"probes at positions {group.start} to {group.stop - 1}"
    for tokens, labels in progress(part(), what, "chunk"):
        x_pbd = np.array(tokens[:, group].swapaxes(0, 1), np.float64, order="C")
        yield x_pbd - origin[group, None], labels


def _groups(positions: int, d: int, classes: int, strengths: int) -> Iterator[slice]:
    """Consecutive positions whose accumulators and weights fit into MOST_BYTES."""
    position_bytes = 8 * d * (d + classes * (2 + strengths))
    size = MOST_BYTES // position_bytes
    if size == 0:
        raise TickleError(
            f"a probe per position of a layer with {d} channels and {classes} classes needs "
            f"{position_bytes / 2**30:.1f} GiB, more than {MOST_BYTES / 2**30:.1f}: choose another "
            "layer under layers"
        )
    for start in range(0, positions, size):
        yield slice(start, min(start + size, positions))


@dataclass(frozen=True)
class _Moments:
    """Sums over images, added to in place; p positions, k classes."""

    gram: np.ndarray  # (p, d, d), sum of x x'
    cross: np.ndarray  # (p, d, k), sum of x per class
    counts: np.ndarray  # (k,), images per class

    def add(self, x_pbd: np.ndarray, labels: np.ndarray) -> None:
        one_hot = np.eye(len(self.counts))[labels]
        self.counts[:] += one_hot.sum(axis=0)
        # Position by position: no temporary of the accumulators' size.
        for p, x in enumerate(x_pbd):
            self.gram[p] += x.T @ x
            self.cross[p] += x.T @ one_hot


@dataclass(frozen=True)
class _Probes:
    """Fitted probes of p positions, s strengths each, k classes."""

    weights: np.ndarray  # (p, d, s, k)
    bias: np.ndarray  # (p, s, k)

    def hits(self, x_pbd: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(p, s), number of images whose highest score is that of their label."""
        hits = np.empty(self.bias.shape[:2], int)
        for p, x in enumerate(x_pbd):
            scores_bsk = np.tensordot(x, self.weights[p], axes=1) + self.bias[p]
            hits[p] = (scores_bsk.argmax(axis=2) == labels[:, None]).sum(axis=0)
        return hits


def _solve(moments: _Moments, strengths: np.ndarray) -> _Probes:
    """The ridge probes of each position for its (p, s) strengths."""
    n = moments.counts.sum()
    (positions, d, classes), size = moments.cross.shape, strengths.shape[1]
    weights, bias = np.empty((positions, d, size, classes)), np.empty((positions, size, classes))
    for p in range(positions):
        mean = moments.cross[p].sum(axis=1) / n
        scatter = moments.gram[p] - n * np.outer(mean, mean)
        variance = np.diag(scatter) / n
        scale = np.sqrt(np.where(variance > 0, variance, 1))
        gram = scatter / np.outer(scale, scale)
        cross = (moments.cross[p] - np.outer(mean, moments.counts)) / scale[:, None]
        for s, strength in enumerate(strengths[p]):
            standardised = solve(gram + np.eye(d) / strength, cross, assume_a="pos")
            weights[p, :, s] = standardised / scale[:, None]
            bias[p, s] = moments.counts / n - mean @ weights[p, :, s]
    return _Probes(weights, bias)
