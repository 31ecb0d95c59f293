"""How the natural images of a layer's test split respond to objectives: one streamed pass."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from tickle_core import arrays
from tickle_core.activations.store import ActivationStore
from tickle_core.maximization.objectives import Readout
from tickle_core.progress import progress

BLOCK_TOKENS = 2**15  # at once: each takes a number per objective
SAMPLE = 4096  # images that median and 99 % point are of, where there are more
HIGH = 0.99
FEWEST = 100  # images that have a 99 % point below the best of them


@dataclass(frozen=True)
class Extremes:
    """The images at one end of every objective's scores, the most extreme first.

    Attributes
    ----------
    image_ids, positions
        (count, objectives) int64; positions as `Readout.responses` gives them.
    scores
        (count, objectives) float32.
    """

    image_ids: np.ndarray
    positions: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Natural:
    """What a store's test images score.

    Attributes
    ----------
    most, least
        The images that score highest and lowest; of equal scores, the lower image id.
    sd, median, high
        (objectives,) float64, of the scores; the last is their 99 % point, NaN for fewer than
        `FEWEST` images. Median and 99 % point are exact for up to `SAMPLE` images and those of a
        random sample of as many otherwise. The best image grows with their number; these do not.
    maximum, mean
        (objectives,) float64, the highest maximum over patches and the highest mean.
    images
        How many there are.
    """

    most: Extremes
    least: Extremes
    sd: np.ndarray
    median: np.ndarray
    high: np.ndarray
    maximum: np.ndarray
    mean: np.ndarray
    images: int


@torch.inference_mode()
def survey(store: ActivationStore, readout: Readout, count: int, seed: int) -> Natural:
    """Score all test images on all objectives.

    Memory: one block of tokens, `count` images per objective and side, and the scores of a sample.

    Parameters
    ----------
    count
        Images kept on each side; fewer where there are fewer.
    seed
        Of the sample behind median and 99 % point.
    """
    rows = store.test_rows
    sampled = rows
    if len(rows) > SAMPLE:
        rng = np.random.default_rng(seed)
        sampled = np.sort(rng.choice(rows, SAMPLE, replace=False))
    most: Extremes | None = None
    least: Extremes | None = None
    sums = squares = 0.0
    sample: list[np.ndarray] = []
    pooled = np.full((2, len(readout.objectives)), -np.inf)
    for block, *stored in progress(_blocks(store, rows), "natural images", "block"):
        tokens, logits = (torch.from_numpy(x).to(readout.device).float() for x in stored)
        found = readout.responses(tokens, logits)
        scores, positions = (x.cpu().numpy() for x in (found.scores, found.positions))
        highest = torch.stack([found.maxima.amax(0), found.means.amax(0)])
        pooled = np.maximum(pooled, highest.cpu().numpy())
        ids = np.broadcast_to(store.image_ids[block][:, None], scores.shape)
        new = Extremes(ids, positions, scores)
        most, least = _largest(most, new, count, 1), _largest(least, new, count, -1)
        sample.append(scores[np.isin(block, sampled)])
        sums = sums + scores.sum(0, dtype=np.float64)
        squares = squares + np.square(scores, dtype=np.float64).sum(0)
    mean = sums / len(rows)
    sd = np.sqrt(np.maximum(squares / len(rows) - mean**2, 0))
    known = np.concatenate(sample)
    high = np.quantile(known, HIGH, axis=0) if len(rows) >= FEWEST else np.full(len(sd), np.nan)
    median = np.median(known, axis=0).astype(np.float64)
    assert most is not None and least is not None, "a store has test images"
    maximum, mean_score = pooled
    high = high.astype(np.float64)
    return Natural(most, least, sd, median, high, maximum, mean_score, len(rows))


def _largest(kept: Extremes | None, new: Extremes, count: int, sign: int) -> Extremes:
    """The first `count` by falling `sign` times score, of those kept and of later images."""
    columns = [new.image_ids, new.positions, new.scores]
    if kept is not None:
        before = [kept.image_ids, kept.positions, kept.scores]
        columns = [np.concatenate(pair) for pair in zip(before, columns, strict=True)]
    # Stable, and images come in the order of their ids: of equal ones the lower id stays first.
    order = np.argsort(-sign * columns[2], axis=0, kind="stable")[:count]
    return Extremes(*(np.take_along_axis(column, order, axis=0) for column in columns))


def _blocks(
    store: ActivationStore, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Row numbers of some images, their tokens (b, positions, channels) and logits (b, classes)."""
    logits = arrays.open_complete(store.path / "logits")
    step = max(1, BLOCK_TOKENS // store.tokens.shape[1])
    for block, tokens in store.token_blocks(rows):
        read = arrays.read_rows(logits, int(block[0]), int(block[-1]) + 1)[block - block[0]]
        for start in range(0, len(block), step):
            part = slice(start, start + step)
            yield block[part], tokens[part], read[part]
