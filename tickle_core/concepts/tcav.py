"""TCAV: does a class's logit rise along a concept's vector, more steadily than along random ones?

Moving all patches of a layer along v changes the logit of class i by the sum over patches of
grad h_i . v = G . v; the score is the share of a class's images for which that is positive [1]_.
G, (d,) per image, does not depend on the concept: it is taken once, and each further vector costs
a matrix product.

**The test.** Random partners share the concept's images, so that runs are not independent, and a
test that counts them as if they were finds something in every set. What is compared is therefore
one number per set, its *steadiness*: the mean over its runs of the class's mean derivative, in
standard deviations over them. Random sets, whose images are drawn anew each time, go through the
same procedure, and the concept is judged as a single case among them (`statistics.single_case`).
The score itself is no good for that: where the tail is almost linear, one in ten random sets has a
score of 0 or 1 in all its runs.

Of a random set, the difference between it and others varies as one part, and that of its bootstrap
and its partners as two parts more. So mean / standard deviation is sqrt(1/2 + 1/runs) times a
Student t with runs - 1 degrees of freedom, and is turned into the normal deviate of the same
probability: few runs have no heavier tails then, and sets of unequal runs compare.

References
----------
.. [1] Kim et al. (2018). Interpretability beyond feature attribution: TCAV. arXiv:1711.11279.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtri, stdtr

from tickle_core.activations.store import ActivationStore
from tickle_core.models.accuracy import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress

BETWEEN_SETS = 1 / 2  # variance of random sets' means, in that of a set's runs
SMALLEST = 1e-300  # probability that is told from none


@dataclass(frozen=True)
class Target:
    """Images of a class, or of a group of classes, and the logit of each that is differentiated.

    Attributes
    ----------
    name
        Of the class or group.
    labels
        The classes of the image set that it is.
    rows
        (n,) rows of the store, ascending.
    logits
        (n,) indices: the class's, or what the network predicts of each image.
    """

    name: str
    labels: tuple[int, ...]
    rows: np.ndarray
    logits: np.ndarray


@dataclass(frozen=True)
class Scores:
    """What s sets of runs say of t targets, (s, t) each.

    Attributes
    ----------
    score
        TCAV score, the mean over runs.
    low, high
        The lowest and the highest of the runs.
    steadiness
        About standard normal for random sets.
    """

    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    steadiness: np.ndarray


@dataclass(frozen=True)
class Asked:
    """The images of all targets, each once.

    Attributes
    ----------
    rows
        (n,) rows of the store, ascending.
    logits
        (n,) the index of the logit that is asked of each.
    place
        (images,) which of the n each of the targets' images is, one target after the other.
    of_target
        (images,) the target of each.
    """

    rows: np.ndarray
    logits: np.ndarray
    place: np.ndarray
    of_target: np.ndarray

    def batches(
        self, store: ActivationStore, splice: Splice
    ) -> Iterator[tuple[torch.Tensor, np.ndarray, torch.Tensor]]:
        """Tokens (b, positions, d), image ids and logits (b,) of a few rows at a time."""
        device, size = splice.classifier.device, batch_size(splice.images)
        for block, tokens in store.token_blocks(self.rows):
            first = np.searchsorted(self.rows, block[0])
            for start in range(0, len(block), size):
                rows = block[start : start + size]
                logits = self.logits[first + start : first + start + len(rows)]
                acts = torch.from_numpy(tokens[start : start + size]).to(device).float()
                yield acts, store.image_ids[rows], torch.from_numpy(logits).to(device)


def ask(targets: Sequence[Target]) -> Asked:
    """Gather the images of the targets: an image of several is asked the same logit in each."""
    rows = np.concatenate([target.rows for target in targets])
    logits = np.concatenate([target.logits for target in targets])
    of_target = np.repeat(np.arange(len(targets)), [len(target.rows) for target in targets])
    unique, first, place = np.unique(rows, return_index=True, return_inverse=True)
    return Asked(unique, logits[first], place, of_target)


def gradients(asked: Asked, store: ActivationStore, splice: Splice) -> np.ndarray:
    """G of the images of all targets, (images, d) float32: one pass forth and back."""
    found, patches = [], len(store.prefix)
    for acts, ids, logits in progress(asked.batches(store, splice), "gradients", "batch"):
        acts.requires_grad_()
        own = splice.logits(acts, ids).gather(1, logits[:, None]).sum()
        [slopes] = torch.autograd.grad(own, acts)
        found.append(slopes[:, patches:].sum(1).cpu().numpy())
    return np.concatenate(found)[asked.place]


def scores(
    slopes: np.ndarray, of_target: np.ndarray, vectors: np.ndarray, lengths: np.ndarray, runs: int
) -> Scores:
    """Scores of many sets.

    Parameters
    ----------
    slopes, of_target
        (images, d), what `gradients` returns, and the target of each image.
    vectors, lengths
        (sets * runs, d) and (sets * runs,), those of a set in a row. Steadiness is that of the
        vectors at their lengths: of unit ones, the derivative cannot exceed the gradient's norm,
        and varies ever less on its way there.
    """
    count = int(of_target.max()) + 1
    shape = (len(vectors) // runs, runs)
    positive = np.empty((*shape, count))
    along = np.empty((*shape, count))
    for target in range(count):
        derivative = slopes[of_target == target] @ vectors.T.astype(slopes.dtype)
        positive[..., target] = (derivative > 0).mean(0).reshape(shape)
        along[..., target] = (lengths * derivative.mean(0, dtype=np.float64)).reshape(shape)
    return Scores(positive.mean(1), positive.min(1), positive.max(1), steadiness(along))


def steadiness(along: np.ndarray) -> np.ndarray:
    """How steadily derivatives (sets, runs, targets) have one sign, (sets, targets)."""
    runs, spread = along.shape[1], along.std(1, ddof=1)
    t = np.divide(along.mean(1), spread, out=np.zeros_like(spread), where=spread > 0)
    t /= (BETWEEN_SETS + 1 / runs) ** 0.5
    return -np.sign(t) * ndtri(np.maximum(stdtr(runs - 1, -np.abs(t)), SMALLEST))
