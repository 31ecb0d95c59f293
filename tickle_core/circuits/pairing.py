"""Pairs of held-out images that the model takes for different classes, and what tells them apart.

The class of an image is always the model's own prediction. Two images of classes y and y' are told
apart by the difference of two logits, logit_y - logit_y', which is linear in them: probabilities
would hide what works against a class (Zhang, Nanda 2024, arXiv:2309.16042).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tickle_core import arrays
from tickle_core.activations.store import ActivationStore
from tickle_core.models.splicing import Splice

LEAST_IMAGES = 3  # of a class and half: with fewer, intervals over images would cover too seldom


@dataclass(frozen=True)
class ImagesByClass:
    """Images of a few predicted classes.

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
    """

    classes: np.ndarray
    rows: np.ndarray
    members: np.ndarray
    tokens: np.ndarray

    @property
    def cells(self) -> np.ndarray:
        """Ordered pairs of different classes, by their place in `classes`: (c * (c - 1), 2)."""
        count = len(self.classes)
        return np.argwhere(~np.eye(count, dtype=bool))


@dataclass(frozen=True)
class Pairs:
    """Pairs of images: which of them is the `donor`, which the `target`, and their `cell`.

    (pairs,) each. A cell is a pair of classes, the donor's and the target's, by its place in
    `ImagesByClass.cells`; pairs of a cell stand together.
    """

    donor: np.ndarray
    target: np.ndarray
    cell: np.ndarray


@dataclass(frozen=True)
class Triple:
    """Rows of the store: an image, one of another predicted class, and an unrelated one."""

    clean: int
    donor: int
    stranger: int
    clean_class: int
    donor_class: int


def draw_halves(
    store: ActivationStore, classes: int, count: int, seed: int
) -> tuple[ImagesByClass, Pairs, Pairs] | None:
    """Pair held-out images of the classes that are predicted most often, each with each, twice.

    Of every class, up to 2 * count images are drawn for either half, as many for the one as for
    the other; classes that are predicted for fewer than 2 * LEAST_IMAGES are left out. Memory: the
    stored tokens of 4 * classes * count images.

    Returns
    -------
    tuple or None
        The images; the pairs of the first half, all 2 * count images of a class with as many of
        each other class, since choosing costs little; and those of the second, `count` of a cell.
        None where that leaves fewer than two classes.
    """
    rows = store.test_rows
    predicted = store.predictions(rows)
    found, counts = np.unique(predicted, return_counts=True)
    enough = counts >= 2 * LEAST_IMAGES
    chosen = found[enough][np.argsort(-counts[enough], kind="stable")][:classes]
    if len(chosen) < 2:
        return None
    drawn = []
    for each in chosen:
        candidates = rows[predicted == each]
        rng = np.random.default_rng([seed, int(each)])
        size = min(2 * count, len(candidates) // 2)
        drawn.append(rng.choice(candidates, 2 * size, replace=False))
    rows = np.concatenate(drawn)
    members = np.repeat(np.arange(len(chosen)), [len(each) for each in drawn])
    images = ImagesByClass(chosen, rows, members, read_rows(store, rows))
    numbers = np.split(np.arange(len(rows)), np.cumsum([len(each) for each in drawn])[:-1])
    first, second = zip(*(np.split(each, 2) for each in numbers), strict=True)
    return images, pair_up(first, images.cells, 2 * count), pair_up(second, images.cells, count)


def pair_up(numbers: Sequence[np.ndarray], cells: np.ndarray, count: int) -> Pairs:
    """Pair the images of each class (numbers) with those of each other, as many as `count`.

    A cell takes the first images of either class or the next ones, cells by turns: an interval
    narrows with the images, of which there are thus twice as many, rather than with the pairs.
    """
    table = []
    for cell, (i, j) in enumerate(cells):
        start = count * int((i + j + (i < j)) % 2)
        for place in range(start, start + min(count, len(numbers[i]), len(numbers[j]))):
            ends = (numbers[each][place % len(numbers[each])] for each in (i, j))
            table.append((*ends, cell))
    return Pairs(*np.array(table).T)


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
        ours, theirs, other = rows[[clean, donor, stranger]].tolist()
        told = int(predicted[clean]), int(predicted[donor])
        triples.append(Triple(ours, theirs, other, *told))
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
