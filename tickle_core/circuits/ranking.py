"""Screening all units of a layer at once: what a gradient says that their ablation would do.

To first order, giving unit u the coefficient c'_u instead of c_u changes the logit of the image's
class y by sum_p (c'_u - c_u(a_p)) (w_u . g_p), where g_p is the logit's gradient at position p.
One forward and one backward pass of the network's tail per image therefore rank every unit under
every kind of ablation (attribution patching; Syed et al. 2023, arXiv:2310.10348). Where the tail is
linear, the screen is exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.circuits.units import Units
from tickle_core.models.judging import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress

KINDS = ("zero", "mean", "resample")
MOST_TOKENS = 2**15  # of a batch: each takes a few numbers per unit that is looked at
CONSTANT = 1e-12  # of the mean square: a variance below is rounding


@dataclass(frozen=True)
class Batch:
    """A few images: rows of the store, and the tokens (n, P, d) of the images and their donors."""

    rows: np.ndarray
    tokens: torch.Tensor
    donors: torch.Tensor


@dataclass(frozen=True)
class Ranking:
    """What the ranking images say of the units of one family.

    Attributes
    ----------
    mean, activity
        (units,) float64, mean and variance of the coefficient over tokens.
    signed, size
        By kind of ablation, (units,): mean over images of the screened effect, and of its absolute
        value.
    """

    mean: np.ndarray
    activity: np.ndarray
    signed: dict[str, np.ndarray]
    size: dict[str, np.ndarray]


def batches(store: ActivationStore, splice: Splice, rows: np.ndarray) -> Iterator[Batch]:
    """Read images with their donors, a batch at a time.

    The donor of the i-th of n images is number i + n // 2, counted round: another image, and not
    a neighbour, which in a data set that is sorted by class would be of the same one.
    """
    size = max(1, min(batch_size(splice.images), MOST_TOKENS // store.tokens.shape[1]))
    half = len(rows) // 2
    own = _images(store, rows)
    donors = _images(store, rows[half:], rows[:half])
    device = splice.classifier.device
    for start in range(0, len(rows), size):
        tokens, others = (
            torch.from_numpy(np.stack(list(islice(each, size)))).to(device).float()
            for each in (own, donors)
        )
        yield Batch(rows[start : start + size], tokens, others)


def rank(
    families: dict[str, Units],
    store: ActivationStore,
    splice: Splice,
    rows: np.ndarray,
    means: dict[str, np.ndarray] | None = None,
) -> dict[str, Ranking]:
    """Moments and screened effects of all units of all families, in one pass.

    Memory: one batch, and two numbers per image and unit.

    Parameters
    ----------
    rows
        (n,) ascending rows of the store.
    means
        By family, (units,), what the mean ablation replaces by; else the means over these images.
    """
    moments = {name: [0.0, 0.0] for name in families}
    removed: dict[str, list[torch.Tensor]] = {name: [] for name in families}
    brought: dict[str, list[torch.Tensor]] = {name: [] for name in families}
    slopes = []
    for batch in progress(batches(store, splice, rows), "ranking units", "batch"):
        gradient = _gradient(splice, batch.tokens, store.image_ids[batch.rows])
        slopes.append(gradient.sum(1))
        for name, units in families.items():
            for i, total in enumerate(units.moments(batch.tokens.flatten(0, 1))):
                moments[name][i] += total.cpu().numpy()
            removed[name].append(units.inner(batch.tokens, gradient).cpu())
            brought[name].append(units.inner(batch.donors, gradient).cpu())
    tokens = len(rows) * store.tokens.shape[1]
    found = {}
    for name, units in families.items():
        mean, square = (total / tokens for total in moments[name])
        activity = square - mean**2
        activity[activity <= CONSTANT * square] = 0
        zero = torch.cat(removed[name]).numpy()
        along = (torch.cat(slopes) @ units.directions.T).cpu().numpy()
        effects = {
            "zero": zero,
            "mean": zero - (means[name] if means else mean).astype(np.float32) * along,
            "resample": zero - torch.cat(brought[name]).numpy(),
        }
        found[name] = Ranking(
            mean,
            activity,
            {kind: effect.mean(0, dtype=np.float64) for kind, effect in effects.items()},
            {kind: np.abs(effect).mean(0, dtype=np.float64) for kind, effect in effects.items()},
        )
    return found


def _gradient(splice: Splice, tokens: torch.Tensor, ids: np.ndarray) -> torch.Tensor:
    """Gradient of each image's largest logit in its tokens, (n, P, d)."""
    leaf = tokens.detach().requires_grad_()
    logits = splice.logits(leaf, ids)
    return torch.autograd.grad(logits.amax(1).sum(), leaf)[0]


def _images(store: ActivationStore, *runs: np.ndarray) -> Iterator[np.ndarray]:
    """Tokens (P, d) of the rows of ascending runs, one run after the other."""
    for rows in runs:
        for _, block in store.token_blocks(rows):
            yield from block
