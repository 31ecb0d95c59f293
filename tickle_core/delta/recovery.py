"""Recovery: does giving units back their clean values bring back the prediction?

Units of adversarial activations get the values that they have on the clean image, and the tail runs
on. Which units, other images say: those that carried most of the change, for images of the same
class and for images that became the same class. Judged on what chose them, any basis does well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from tickle_core.delta.contributions import Families
from tickle_core.delta.reading import Batch, Deltas
from tickle_core.interventions.parts import Screened
from tickle_core.models.accuracy import batch_size
from tickle_core.progress import progress

FACTOR = 4  # between the numbers of units that are given back
CORRECTIONS = 3  # of how many random latents change as much as the chosen ones


@dataclass(frozen=True, order=True)
class Key:
    """What is given back: so many units of a family, by a rule.

    chosen      what other images say of images of these two classes
    own         what the image itself says: a best case
    stranger    what other images say of two classes that have nothing to do with the image
    random      others that together change as much, at random; `draw` says which draw
    as_much     as chosen, but so many units of another family as change as much as `units` latents
    """

    family: str
    rule: str
    units: int
    draw: int = 0


@dataclass(frozen=True)
class Recovered:
    """What became of n images.

    Attributes
    ----------
    predicted
        By key, (n,) the class that is predicted.
    given_back
        By key, (n,) squared norm of what was changed.
    whole
        (n,) squared norm of all of the perturbation.
    """

    predicted: dict[Key, np.ndarray]
    given_back: dict[Key, np.ndarray]
    whole: np.ndarray


def sizes(units: int, restored: int) -> list[int]:
    """Numbers of units that are tried: 1, 4, 16, ..., `restored` and all."""
    found = {restored, units}
    size = 1
    while size < units:
        found.add(size)
        size *= FACTOR
    return sorted(each for each in found if each <= units)


def scores(
    contributions: np.ndarray, own: np.ndarray, became: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean contributions (n, units) by own class and by the class that images became.

    Returns
    -------
    tuple
        (classes, units) each, zeros for classes without an image. The score of a unit for images
        of two classes is the sum of its means for either: what silences the one and wakes the
        other, without asking for images that have both.
    """
    found = []
    for labels in (own, became):
        sums = np.zeros((classes, contributions.shape[1]))
        np.add.at(sums, labels, contributions)
        counts = np.bincount(labels, minlength=classes)
        found.append(sums / np.maximum(counts, 1)[:, None])
    return found[0], found[1]


@torch.no_grad()
def recover(
    deltas: Deltas,
    families: Families,
    orders: dict[tuple[str, str], np.ndarray],
    restored: int,
    draws: int,
    seed: int,
) -> Recovered:
    """Give back units of each family by each rule, and random latents that change as much.

    Memory: a few times the activations of a batch of images, and two numbers per image and key.

    Parameters
    ----------
    orders
        By family and rule, (n, units), the units of each image in the order in which they are
        given back.
    restored
        Of the sizes that are tried, the one that must be among them.
    """
    generator = torch.Generator().manual_seed(seed)
    predicted: dict[Key, list[np.ndarray]] = {}
    given_back: dict[Key, list[np.ndarray]] = {}
    whole = []
    for batch in progress(deltas.batches("clean", "adversarial"), "recovery", "batch"):
        adversarial = batch.tokens["adversarial"]
        whole.append(_squared(batch.tokens["clean"] - adversarial).cpu().numpy())
        edits = _edits(batch, families, orders, restored, draws, generator)
        together = max(1, batch_size(deltas.splice.images) // len(batch.ids))
        while some := list(islice(edits, together)):
            tokens = torch.cat([edited for _, edited in some])
            logits = deltas.splice.logits(tokens, np.tile(batch.ids, len(some)))
            classes = logits.argmax(1).cpu().numpy()
            for (key, edited), after in zip(some, np.split(classes, len(some)), strict=True):
                predicted.setdefault(key, []).append(after)
                amount = _squared(edited - adversarial).cpu().numpy()
                given_back.setdefault(key, []).append(amount)
    return Recovered(
        {key: np.concatenate(each) for key, each in predicted.items()},
        {key: np.concatenate(each) for key, each in given_back.items()},
        np.concatenate(whole),
    )


def _edits(
    batch: Batch,
    families: Families,
    orders: dict[tuple[str, str], np.ndarray],
    restored: int,
    draws: int,
    generator: torch.Generator,
) -> Iterator[tuple[Key, torch.Tensor]]:
    """Tokens of the batch with units given back."""
    changes, adversarial = families.changes(batch), batch.tokens["adversarial"]
    as_much = torch.zeros(len(batch.ids), device=adversarial.device)
    for (family, rule), order in orders.items():
        ranked = torch.from_numpy(order[batch.places]).to(batch.own.device)
        count = ranked.shape[1]
        for size in sizes(count, restored):
            chosen = torch.zeros(ranked.shape, dtype=torch.bool, device=ranked.device)
            chosen.scatter_(1, ranked[:, :size], True)
            edited = changes[family].patched(chosen)
            yield Key(family, rule, size), edited
            if (family, rule) != ("latents", "chosen"):
                continue
            wanted = _squared(edited - adversarial)
            if size == min(restored, count):
                as_much = wanted
            # All of them leave no others to draw from.
            for draw in range(draws if size < count else 0):
                drawn = random_latents(changes[family], batch, ~chosen, wanted, generator)
                yield Key(family, "random", size, draw), drawn
        if family != "latents":
            inside = up_to(changes[family].amounts().gather(1, ranked), as_much)
            chosen = torch.zeros(ranked.shape, dtype=torch.bool, device=ranked.device)
            edited = changes[family].patched(chosen.scatter_(1, ranked, inside))
            yield Key(family, "as_much", restored), edited


def up_to(amounts: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The first of amounts (b, units) whose sum is nearest to `wanted` (b,), (b, units) bool."""
    last = (amounts.cumsum(1) - wanted[:, None]).abs().argmin(1, keepdim=True)
    return torch.arange(amounts.shape[1], device=amounts.device) <= last


def random_latents(
    changes: Screened,
    batch: Batch,
    allowed: torch.Tensor,
    wanted: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Tokens of which random latents are given back that change as much as is wanted.

    Latents join in random order while the sum of what each changes alone is below a target. What
    they change together is not that sum, so the target is corrected by what it came to.

    Parameters
    ----------
    allowed
        (b, latents) bool, those to draw from.
    wanted
        (b,) squared norm.
    """
    amounts = changes.amounts()
    drawn = torch.rand(amounts.shape, generator=generator).to(amounts.device)
    # Those that do not change are left out: they would make up numbers, and nothing else.
    order = drawn.masked_fill(~allowed | (amounts <= 0), 2).argsort(dim=1, stable=True)
    usable = (allowed & (amounts > 0)).gather(1, order)
    in_order = amounts.gather(1, order) * usable
    target, best, apart = wanted, batch.tokens["adversarial"], torch.full_like(wanted, torch.inf)
    for _ in range(CORRECTIONS):
        inside = up_to(in_order, target) & usable
        mask = torch.zeros_like(allowed).scatter_(1, order, inside)
        edited = changes.patched(mask)
        found = _squared(edited - batch.tokens["adversarial"])
        miss = (found.clamp_min(1e-30) / wanted.clamp_min(1e-30)).log().abs()
        better = miss < apart
        best = torch.where(better[:, None, None], edited, best)
        apart = torch.where(better, miss, apart)
        target = target * (wanted / found.clamp_min(1e-30)).clamp(0.25, 4)
    return best


def _squared(change: torch.Tensor) -> torch.Tensor:
    """Squared norm of each image's tokens (b, positions, d), (b,)."""
    return change.square().sum((1, 2))
