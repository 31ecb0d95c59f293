"""Pairs of held-out images that the model takes for different classes, and what tells them apart.

The class of an image is always the model's own prediction. Two images of classes y and y' are told
apart by the difference of two logits, logit_y - logit_y', which is linear in them: probabilities
would hide what works against a class (Zhang, Nanda 2024, arXiv:2309.16042).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tickle_core import arrays, statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.models.splicing import Splice


@dataclass(frozen=True)
class Pairs:
    """Images of a few predicted classes, and pairs of them.

    Attributes
    ----------
    classes
        (c,) indices of the model's classes, the most frequent prediction first.
    rows
        (n,) rows of the store.
    members
        (n,) which of `classes` each image is predicted as.
    tokens
        (n, positions, d), as they are stored.
    donor, target
        (pairs,) which of the n images.
    donor_class, target_class
        (pairs,) which of `classes`.
    """

    classes: np.ndarray
    rows: np.ndarray
    members: np.ndarray
    tokens: np.ndarray
    donor: np.ndarray
    target: np.ndarray
    donor_class: np.ndarray
    target_class: np.ndarray


@dataclass(frozen=True)
class Triple:
    """Rows of the store: an image, one of another predicted class, and an unrelated one."""

    clean: int
    donor: int
    stranger: int
    clean_class: int
    donor_class: int


def draw_pairs(store: ActivationStore, classes: int, count: int, seed: int) -> Pairs | None:
    """Pair held-out images of the classes that are predicted most often, each with each.

    Of every class, at most `count` images are drawn; for each ordered pair of classes, the first
    image of the one is the donor of the first of the other, and so on while both have images.
    Memory: the stored tokens of classes * count images.

    Returns
    -------
    Pairs or None
        None where the model predicts a single class, or there are no held-out images.
    """
    rows = store.test_rows
    predicted = store.predictions(rows)
    found, counts = np.unique(predicted, return_counts=True)
    if len(found) < 2:
        return None
    chosen = found[np.argsort(-counts, kind="stable")][:classes]
    drawn = []
    for each in chosen:
        candidates = rows[predicted == each]
        rng = np.random.default_rng([seed, int(each)])
        drawn.append(rng.choice(candidates, min(count, len(candidates)), replace=False))
    sizes = np.array([len(each) for each in drawn])
    first = np.concatenate([[0], sizes.cumsum()])
    table = [
        (first[i] + k, first[j] + k, i, j)
        for i in range(len(chosen))
        for j in range(len(chosen))
        if i != j
        for k in range(min(sizes[i], sizes[j]))
    ]
    rows = np.concatenate(drawn)
    members = np.repeat(np.arange(len(chosen)), sizes)
    return Pairs(chosen, rows, members, read_rows(store, rows), *np.array(table).T)


def draw_triples(store: ActivationStore, count: int, seed: int) -> list[Triple] | None:
    """Draw held-out images (each once, their classes as even as can be), each with two others.

    The donor is of another class. The stranger is of a third one; else, where there is none, of
    the donor's; else of the image's own.

    Returns
    -------
    list of Triple or None
        None where the model predicts a single class, or there are fewer than three images.
    """
    rows = store.test_rows
    predicted = store.predictions(rows)
    classes, members = np.unique(predicted, return_inverse=True)
    if len(classes) < 2 or len(rows) < 3:
        return None
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows))
    # How many images of its class come before each: all the zeros, then all the ones, ...
    by_class = order[np.argsort(members[order], kind="stable")]
    starts = np.concatenate([[0], np.bincount(members).cumsum()])
    before = np.empty(len(rows), np.int64)
    before[by_class] = np.arange(len(rows)) - starts[members[by_class]]
    triples = []
    for clean in order[np.argsort(before[order], kind="stable")][:count]:
        own = predicted == predicted[clean]
        donor = rng.choice(np.flatnonzero(~own))
        donors = predicted == predicted[donor]
        own[clean] = donors[donor] = False
        others = np.ones(len(rows), bool)
        others[[clean, donor]] = False
        third = others & ~own & ~donors
        groups = (group for group in (third, donors, own) if group.any())
        stranger = rng.choice(np.flatnonzero(next(groups)))
        images = rows[[clean, donor, stranger]].tolist()
        triples.append(Triple(*images, int(predicted[clean]), int(predicted[donor])))
    return triples


def read_rows(store: ActivationStore, rows: np.ndarray) -> np.ndarray:
    """Stored tokens (n, positions, d) of a few rows in any order; each costs one chunk."""
    return np.concatenate([arrays.read_rows(store.tokens, row, row + 1) for row in rows.tolist()])


def as_tokens(store: ActivationStore, stored: np.ndarray, device: torch.device) -> torch.Tensor:
    """Stored tokens as float32 on a device."""
    return torch.from_numpy(store.decode(stored)).to(device).float()


def difference(logits: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """logit_up - logit_down of each image, (n,), for logits (n, classes) and classes (n,)."""
    return (logits.gather(1, up[:, None]) - logits.gather(1, down[:, None])).squeeze(1)


def gradient(
    splice: Splice, tokens: torch.Tensor, ids: np.ndarray, up: torch.Tensor, down: torch.Tensor
) -> torch.Tensor:
    """Gradient of each image's logit difference in its own tokens, (n, positions, d)."""
    tokens = tokens.detach().requires_grad_()
    found = difference(splice.logits(tokens, ids), up, down)
    return torch.autograd.grad(found.sum(), tokens)[0]


def resampled_sums(pairs: Pairs, columns: np.ndarray, seed: int) -> np.ndarray:
    """Bootstrap of sums over pairs, by resampling images within their classes.

    One image is in many pairs, as donor and as target. So a pair counts as often as its donor was
    drawn times as often as its target was [1]_.

    Parameters
    ----------
    columns
        (pairs, q).

    Returns
    -------
    np.ndarray
        (draws, q).

    References
    ----------
    .. [1] Owen (2007). The pigeonhole bootstrap. Annals of Applied Statistics 1.
    """
    rng = np.random.default_rng(seed)
    sizes = np.bincount(pairs.members)
    draws = []
    for _ in range(statistics.RESAMPLES):
        counts = np.concatenate([statistics.resample_counts(size, rng) for size in sizes])
        draws.append((counts[pairs.donor] * counts[pairs.target]) @ columns)
    return np.stack(draws)


def estimate(value: float, draws: np.ndarray, n: int) -> dict[str, Any] | None:
    """A number as metrics have it, with the percentile interval of its bootstrap draws.

    Draws that are not finite (a resample without any pair) are left out; None where the number
    itself is not.
    """
    if not np.isfinite(value):
        return None
    interval = statistics.percentile_interval(draws[np.isfinite(draws)])
    return {"value": float(value), "interval": list(interval), "n": n}
