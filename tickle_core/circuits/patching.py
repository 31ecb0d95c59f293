"""Activation patching: what of a donor image moves the model from the target's class to its own.

Parts of the target's activations are replaced by the donor's, and the tail runs on from there.
With LD = logit of the donor's class - logit of the target's class,

    influence = (LD of the patched - LD of the target) / (LD of the donor - LD of the target)

is 0 where nothing changes and 1 where the network goes all the way. Which parts are replaced, the
gradient at the target says (attribution patching; Syed et al. 2023, arXiv:2310.10348): its mean
over the pairs of one half of the images, for each ordered pair of classes. What they do is then
measured by running the tail on the other half. Parts that are chosen on the very pair that they
are judged on go a good part of the way also where nothing in the layer stands for a class.
"""

from collections.abc import Iterator
from itertools import islice
from typing import cast

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import choosing, pairing, patching_summary, plans
from tickle_core.circuits.pairing import ImagesByClass, Pairs
from tickle_core.circuits.patching_summary import Key, Patched, Patching
from tickle_core.circuits.plans import Layer, PatchPlan
from tickle_core.dictionaries.stream import Sample
from tickle_core.interventions.parts import PairBatch, Screened
from tickle_core.interventions.units import Directions, Latents
from tickle_core.models.accuracy import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.params.circuits import Circuits


def patch(
    channels: Directions,
    latents: Latents,
    sample: Sample,
    store: ActivationStore,
    splice: Splice,
    section: Circuits,
    seed: int,
) -> Patching:
    """Patch held-out images between the predicted classes: layer, positions, channels, and so on.

    Memory: the tokens of 4 * classes * pairs images, the sparse coefficients of the latents and of
    their rivals there, and what `judge` takes.

    Parameters
    ----------
    sample
        Train tokens: random directions have their covariance.
    """
    drawn = pairing.draw_halves(store, section.classes, section.pairs, seed)
    if drawn is None:
        return patching_summary.nothing(
            f"fewer than two classes are predicted for {2 * pairing.LEAST_IMAGES} held-out images, "
            "half of which choose what is replaced for the others"
        )
    images, choice, judging = drawn
    layer = Layer(channels, latents, sample, store, splice, images)
    made = plans.make_plans(layer, choice, section, seed)
    judged = judge(made, store, splice, images, judging)
    names = [splice.classifier.card["class_names"][each] for each in images.classes]
    return patching_summary.summarize(made, judged, images, choice, judging, names, seed)


def judge(
    made: list[PatchPlan],
    store: ActivationStore,
    splice: Splice,
    images: ImagesByClass,
    pairs: Pairs,
) -> Patched:
    """Patch the pairs by all rules of all plans, cell by cell.

    Memory: a few times the activations of a batch of images, the coefficients of all units at the
    tokens of a cell, and three numbers per pair and rule.
    """
    unpatched: list[np.ndarray] = []
    outcomes: dict[Key, list[np.ndarray]] = {}
    for batch in choosing.batches(store, splice, images, pairs, "patching"):
        ids = store.image_ids[images.rows[batch.targets]]
        up, down = images.classes[images.cells[batch.cell]].tolist()

        def outcome(
            tokens: torch.Tensor, ids: np.ndarray, up: int = up, down: int = down
        ) -> np.ndarray:
            """LD, and whether the prediction is the donor's class."""
            logits = splice.logits(tokens, ids)
            found = torch.stack([logits[:, up] - logits[:, down], logits.argmax(1) == up], 1)
            return found.double().cpu().numpy()

        with torch.no_grad():
            start = outcome(batch.target, ids)
            end = outcome(batch.donor, store.image_ids[images.rows[batch.donors]])
            way = end[:, 0] - start[:, 0]
            unpatched.append(np.stack([way, _squared(batch.donor - batch.target)], 1))
            edits = _edits(made, batch)
            while some := list(islice(edits, max(1, batch_size(splice.images) // len(ids)))):
                found = outcome(torch.cat([edit for _, edit in some]), np.tile(ids, len(some)))
                for (key, edit), after in zip(some, np.split(found, len(some)), strict=True):
                    numbers = after[:, 0] - start[:, 0], after[:, 1], _squared(edit - batch.target)
                    outcomes.setdefault(key, []).append(np.stack(numbers, 1))
    way, difference = np.concatenate(unpatched).T
    joined = {key: np.concatenate(found) for key, found in outcomes.items()}
    return Patched(way, difference, joined)


def _edits(made: list[PatchPlan], batch: PairBatch) -> Iterator[tuple[Key, torch.Tensor]]:
    """The patched tokens of a batch by kind, rule and draw."""
    for plan in made:
        changes = plan.parts.between(batch)
        for rule, sets in plan.sets.items():
            chosen = torch.from_numpy(sets[batch.cell, None]).to(batch.target.device)
            yield (plan.kind, rule, plan.draw), changes.patched(chosen)
        if plan.own:
            screen = cast(Screened, changes).screen()
            order = screen.argsort(dim=1, descending=True, stable=True)[:, : plan.own]
            own = torch.zeros_like(screen, dtype=torch.bool).scatter_(1, order, True)
            yield (plan.kind, "best_case", plan.draw), changes.patched(own)


def _squared(change: torch.Tensor) -> np.ndarray:
    """Squared norm of each image's tokens (n, positions, d), (n,)."""
    return change.double().square().sum((1, 2)).cpu().numpy()
