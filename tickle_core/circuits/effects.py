"""Ablating units for good: their coefficients are replaced and the network's tail runs.

Effect on an image = logit_y(clean) - logit_y(ablated), where y is the clean prediction. Positive:
the units support the prediction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.circuits.ranking import KINDS, batches
from tickle_core.circuits.units import Units
from tickle_core.models.judging import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress


@dataclass(frozen=True)
class Effects:
    """What ablating each of some sets of units does to each of n images.

    Attributes
    ----------
    predicted
        (sets, n) float64, drop of the predicted class's logit.
    classes
        (sets, n, classes) float32, drop of the logits of the classes that were asked for.
    kept
        (sets, n) bool, whether the prediction stays.
    clean
        (n,) float64, logit of the predicted class without any ablation.
    """

    predicted: np.ndarray
    classes: np.ndarray
    kept: np.ndarray
    clean: np.ndarray


@torch.no_grad()
def exact_effects(
    units: Units,
    sets: Sequence[Sequence[int]],
    mean: np.ndarray,
    store: ActivationStore,
    splice: Splice,
    rows: np.ndarray,
    classes: np.ndarray,
) -> dict[str, Effects]:
    """Ablate sets of units in every kind on the given images.

    Replaced by 0, by the mean or by the coefficient of another image (see `ranking.batches`) at
    the same position. Where that changes nothing, because the units are silent on an image, nothing
    is run and the effect is exactly 0: that is what makes sparse latents cheap.

    Memory: a batch of images, their coefficients of the units in question, a batch of edited
    activations, and the result.

    Parameters
    ----------
    sets
        Units that are ablated together, each of them once.
    mean
        (units,) what the mean ablation replaces by.
    rows
        (n,) ascending rows of the store.
    classes
        Indices of the classes whose logits are told besides.

    Returns
    -------
    dict
        By kind.
    """
    device = splice.classifier.device
    used = np.unique(np.concatenate(sets))
    asked = torch.from_numpy(used).to(device)
    directions = units.directions[asked]
    members = [torch.from_numpy(np.searchsorted(used, each)).to(device) for each in sets]
    means = torch.from_numpy(mean[used]).float().to(device)
    told = torch.from_numpy(classes).to(device)
    found = {
        kind: Effects(
            np.zeros((len(sets), len(rows))),
            np.zeros((len(sets), len(rows), len(classes)), np.float32),
            np.ones((len(sets), len(rows)), bool),
            np.zeros(len(rows)),
        )
        for kind in KINDS
    }
    done = 0
    for batch in progress(batches(store, splice, rows), "ablating units", "batch"):
        ids = store.image_ids[batch.rows]
        clean = splice.logits(batch.tokens, ids)
        shape = (*batch.tokens.shape[:2], len(used))
        own, other = (
            units.coefficients(tokens.flatten(0, 1), asked).view(shape)
            for tokens in (batch.tokens, batch.donors)
        )
        own_logit = clean.amax(1).double().cpu().numpy()
        for kind, new in (("zero", torch.zeros_like(own)), ("mean", means), ("resample", other)):
            found[kind].clean[done : done + len(ids)] = own_logit
            change = new - own
            pairs = active_pairs(change, members)
            for part, logits in edited_logits(
                splice, batch.tokens, ids, change, directions, members, pairs
            ):
                which, image = part.T
                drop = clean[image] - logits
                label = clean[image].argmax(1)
                place = which.cpu().numpy(), done + image.cpu().numpy()
                effect = drop.gather(1, label[:, None]).squeeze(1)
                found[kind].predicted[place] = effect.double().cpu().numpy()
                found[kind].classes[place] = drop[:, told].cpu().numpy()
                found[kind].kept[place] = (logits.argmax(1) == label).cpu().numpy()
        done += len(ids)
    return found


def active_pairs(change: torch.Tensor, members: list[torch.Tensor]) -> torch.Tensor:
    """Which sets change which images: (pairs, 2), set and image, in the order of the sets.

    Parameters
    ----------
    change
        (n, P, units) of coefficients.
    members
        For each set, its places among those units.
    """
    moved = (change != 0).any(1)
    return torch.stack([moved[:, each].any(1) for each in members]).nonzero()


def edited_logits(
    splice: Splice,
    tokens: torch.Tensor,
    ids: np.ndarray,
    change: torch.Tensor,
    directions: torch.Tensor,
    members: list[torch.Tensor],
    pairs: torch.Tensor,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Logits when sets of units have other coefficients on some images.

    Parameters
    ----------
    tokens, ids
        (n, P, d) and (n,), the images.
    change
        (n, P, units), what is added to the coefficients.
    directions
        (units, d), what the units stand for.
    members
        For each set, its places among those units.
    pairs
        (pairs, 2), set and image, in the order of the sets.

    Yields
    ------
    tuple
        The next of the pairs, as many as the network takes at once, and their logits.
    """
    for part in pairs.split(batch_size(splice.images)):
        which, image = part.T
        edited = tokens[image]
        sets, counts = which.unique_consecutive(return_counts=True)
        start = 0
        for each, count in zip(sets.tolist(), counts.tolist(), strict=True):
            stop = start + count
            place = members[each]
            edited[start:stop] += change[..., place][image[start:stop]] @ directions[place]
            start = stop
        yield part, splice.logits(edited, ids[image.cpu().numpy()])
