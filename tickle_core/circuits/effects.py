"""Ablating units for good: their coefficients are replaced and the network's tail runs.

Effect on an image = logit_y(clean) - logit_y(ablated), where y is the clean prediction. Positive:
the units support the prediction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.circuits.images import Images, batches
from tickle_core.interventions.units import Units
from tickle_core.models.accuracy import batch_size
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
    removed
        (sets, n) float64, squared norm of what changed in the layer, summed over positions.
    layer
        (n,) float64, the same of replacing the whole layer.
    """

    predicted: np.ndarray
    classes: np.ndarray
    kept: np.ndarray
    clean: np.ndarray
    removed: np.ndarray
    layer: np.ndarray


@torch.no_grad()
def exact_effects(
    units: Units,
    sets: Mapping[str, Sequence[Sequence[int]]],
    mean: np.ndarray,
    layer_mean: np.ndarray,
    images: Images,
    store: ActivationStore,
    splice: Splice,
    classes: np.ndarray,
) -> dict[str, Effects]:
    """Ablate sets of units on the given images.

    Replaced by 0, by the mean over the same kind of token, or by the coefficient of the donor at
    the same position. Where that changes nothing, because the units are silent on an image, nothing
    is run and the effect is exactly 0: that is what makes sparse latents cheap.

    Memory: a batch of images, their coefficients of the units in question, a batch of edited
    activations, and the result.

    Parameters
    ----------
    sets
        By kind of ablation, units that are ablated together, each of them once.
    mean, layer_mean
        (kinds of token, units) and (kinds of token, d), what the mean ablation replaces by, and
        what it would replace the whole layer by.
    classes
        Indices of the classes whose logits are told besides.

    Returns
    -------
    dict
        By kind.
    """
    device = splice.classifier.device
    used = np.unique(np.concatenate([np.concatenate(each) for each in sets.values()]))
    asked = torch.from_numpy(used).to(device)
    directions = units.directions[asked]
    members = {
        kind: [torch.from_numpy(np.searchsorted(used, each)).to(device) for each in every]
        for kind, every in sets.items()
    }
    _, kind_of = store.token_kinds
    means = torch.from_numpy(mean[kind_of][:, used]).float().to(device)
    layer_means = torch.from_numpy(layer_mean[kind_of]).float().to(device)
    told = torch.from_numpy(classes).to(device)
    n = len(images.ids)
    found = {
        kind: Effects(
            np.zeros((len(every), n)),
            np.zeros((len(every), n, len(classes)), np.float32),
            np.ones((len(every), n), bool),
            np.zeros(n),
            np.zeros((len(every), n)),
            np.zeros(n),
        )
        for kind, every in sets.items()
    }
    for batch in progress(batches(images, splice), "ablating units", "batch"):
        clean = splice.logits(batch.tokens, batch.ids)
        shape = (*batch.tokens.shape[:2], len(used))
        own, donors = (
            units.coefficients(tokens.flatten(0, 1), asked).view(shape)
            for tokens in (batch.tokens, batch.donors)
        )
        new = {"zero": torch.zeros_like(own), "mean": means, "resample": donors}
        whole = {"zero": torch.zeros_like(layer_means), "mean": layer_means}
        whole["resample"] = batch.donors
        for kind, effects in found.items():
            effects.clean[batch.places] = clean.amax(1).cpu().numpy()
            effects.layer[batch.places] = _squares(whole[kind] - batch.tokens)
            change = new[kind] - own
            for part, logits, removed in edited_logits(
                splice,
                batch.tokens,
                batch.ids,
                change,
                directions,
                members[kind],
                active_pairs(change, members[kind]),
            ):
                which, image = part.T
                drop = clean[image] - logits
                label = clean[image].argmax(1)
                place = which.cpu().numpy(), batch.places.start + image.cpu().numpy()
                effects.predicted[place] = drop.gather(1, label[:, None]).squeeze(1).cpu().numpy()
                effects.classes[place] = drop[:, told].cpu().numpy()
                effects.kept[place] = (logits.argmax(1) == label).cpu().numpy()
                effects.removed[place] = removed
    return found


def _squares(change: torch.Tensor) -> np.ndarray:
    """Squared norm of each image's (n, P, d), (n,)."""
    return change.square().sum((1, 2), dtype=torch.float64).cpu().numpy()


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
) -> Iterator[tuple[torch.Tensor, torch.Tensor, np.ndarray]]:
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
        The next of the pairs, as many as the network takes at once, their logits, and the squared
        norms of what was added.
    """
    for part in pairs.split(batch_size(splice.images)):
        which, image = part.T
        added = torch.empty_like(tokens[image])
        sets, counts = which.unique_consecutive(return_counts=True)
        start = 0
        for each, count in zip(sets.tolist(), counts.tolist(), strict=True):
            stop = start + count
            place = members[each]
            added[start:stop] = change[..., place][image[start:stop]] @ directions[place]
            start = stop
        logits = splice.logits(tokens[image] + added, ids[image.cpu().numpy()])
        yield part, logits, _squares(added)
