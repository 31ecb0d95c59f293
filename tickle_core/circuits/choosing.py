"""Which parts are patched: chosen on one half of the images, for each ordered pair of classes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import pairing
from tickle_core.circuits.pairing import ImagesByClass, Pairs
from tickle_core.interventions.parts import Changes, PairBatch, ScreenedParts
from tickle_core.models.accuracy import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress

CORRECTIONS = 2  # of how many parts change as much as the chosen ones


@dataclass(frozen=True)
class Survey:
    """What the pairs of each cell say of the parts of a kind.

    Attributes
    ----------
    order
        (cells, parts) the parts by their mean screen, the largest first.
    chosen
        (cells, parts) bool, the first ones.
    carried
        (cells,) squared norm of what the chosen ones change together, over all tokens of the pairs.
    amounts
        (cells, parts) the same of each part alone; zeros where nobody asked.
    matched
        (cells, parts) bool, random others that together change about as much; none likewise.
    """

    order: np.ndarray
    chosen: np.ndarray
    carried: np.ndarray
    amounts: np.ndarray
    matched: np.ndarray


@dataclass(frozen=True)
class Candidates:
    """Parts of which `count` are to be chosen.

    `weigh` asks how much each of them changes, `match` for others that change as much.
    """

    parts: ScreenedParts
    count: int
    weigh: bool = False
    match: bool = False


def survey(
    kinds: dict[str, Candidates],
    store: ActivationStore,
    splice: Splice,
    images: ImagesByClass,
    pairs: Pairs,
    rng: np.random.Generator,
) -> dict[str, Survey]:
    """Screen the parts of each kind, and choose those that should move LD furthest.

    Memory: a few times the activations of a cell's pairs, and the coefficients of all units there.
    """
    found: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in kinds}
    for batch in batches(store, splice, images, pairs, "choosing"):
        for name, kind in kinds.items():
            changes = kind.parts.between(batch)
            screen = changes.screen().double().sum(0).cpu().numpy()
            amounts = np.zeros_like(screen)
            if kind.weigh:
                amounts = changes.amounts().double().sum(0).cpu().numpy()
            order = np.argsort(-screen, kind="stable")
            chosen = _marked(order[: kind.count], len(order))
            carried = _carried(changes, batch, chosen)
            matched = np.zeros_like(chosen)
            if kind.match:
                matched = _as_much(changes, batch, amounts, chosen, carried, rng)
            found[name].append((order, chosen, carried, amounts, matched))
    return {name: Survey(*map(np.stack, zip(*rows, strict=True))) for name, rows in found.items()}


def _as_much(
    changes: Changes,
    batch: PairBatch,
    amounts: np.ndarray,
    chosen: np.ndarray,
    carried: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Of the other parts in random order, so many that they change as much as the chosen ones.

    What parts change adds up to more or less than what each changes alone, where their directions
    are not orthogonal: by how much is found out, and the sum that is aimed at corrected for it.
    All others are taken where even they change less.
    """
    order = rng.permutation(np.flatnonzero(~chosen))
    filled, wanted = amounts[order].cumsum(), float(carried)
    for _ in range(CORRECTIONS):
        found = _marked(order[: _nearest(filled, wanted)], len(chosen))
        together = float(_carried(changes, batch, found))
        wanted *= float(carried / together) if together > 0 else 1
    return _marked(order[: _nearest(filled, wanted)], len(chosen))


def _carried(changes: Changes, batch: PairBatch, chosen: np.ndarray) -> np.ndarray:
    """Squared norm of what parts change together, over all tokens of the pairs."""
    device = batch.target.device
    made = changes.patched(torch.from_numpy(chosen[None]).to(device))
    return (made - batch.target).double().square().sum().cpu().numpy()


def batches(
    store: ActivationStore, splice: Splice, images: ImagesByClass, pairs: Pairs, task: str
) -> Iterator[PairBatch]:
    """The pairs of each cell, with the gradient of LD at the target."""
    device = splice.classifier.device
    for cell, classes in enumerate(progress(images.cells, task, "cell")):
        here = pairs.cell == cell
        donors, targets = pairs.donor[here].tolist(), pairs.target[here].tolist()
        donor, target = (
            pairing.as_tokens(store, images.tokens[each], device) for each in (donors, targets)
        )
        up, down = torch.from_numpy(images.classes[classes]).to(device)
        ids = store.image_ids[images.rows[targets]]
        slopes = [
            pairing.gradient(splice, part, some, up.expand(len(part)), down.expand(len(part)))
            for part, some in in_batches(splice, target, ids)
        ]
        yield PairBatch(cell, donors, targets, donor, target, torch.cat(slopes))


def in_batches(
    splice: Splice, tokens: torch.Tensor, ids: np.ndarray
) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    """Tokens and image ids, as many at once as the network takes."""
    step = batch_size(splice.images)
    for start in range(0, len(ids), step):
        yield tokens[start : start + step], ids[start : start + step]


def as_much(survey: Survey, carried: np.ndarray) -> np.ndarray:
    """Of each cell so many of the first parts that they change about `carried` (cells,)."""
    found = []
    for order, amounts, wanted in zip(survey.order, survey.amounts, carried, strict=True):
        count = _nearest(amounts[order].cumsum(), wanted)
        found.append(_marked(order[:count], len(order)))
    return np.stack(found)


def strangers(cells: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """For each cell (cells, 2) a random other one, of two other classes: (cells,).

    None of fewer than four classes.
    """
    if cells.max() < 3:
        return None
    found = []
    for cell in cells:
        apart = ~np.isin(cells, cell).any(1)
        found.append(rng.choice(np.flatnonzero(apart)))
    return np.array(found)


def _nearest(filled: np.ndarray, wanted: float) -> int:
    """How many parts bring their sum nearest to what is wanted, by the sums of the first ones."""
    return 1 + int(np.abs(filled - wanted).argmin())


def _marked(numbers: np.ndarray, parts: int) -> np.ndarray:
    """Which parts are among `numbers`, (parts,) bool."""
    found = np.zeros(parts, bool)
    found[numbers] = True
    return found
