"""Causal tracing: where in a layer stands what makes the model say the class of an image.

The corrupted run is that on a donor image of another class, which unlike noise stays among the
inputs that the network knows (Zhang, Nanda 2024, arXiv:2309.16042). Into it, one site at a time is
restored from the clean image. With LD = logit of the clean image's class - logit of the donor's,

    recovered(site) = (LD of the donor with the site - LD of the donor) / (LD of the clean image
                       - LD of the donor)

is 0 where the site does nothing and 1 where it suffices (after Meng et al. 2022, arXiv:2202.05262).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tickle_core import params, statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import pairs as pairing
from tickle_core.circuits.pairs import Triple
from tickle_core.circuits.sites import find_sites
from tickle_core.models.judging import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress

DIGITS = 5  # of shares of the way that single precision can tell


@dataclass(frozen=True)
class Traced:
    """What one triple gives, in logits.

    Attributes
    ----------
    way
        LD of the clean image - LD of the donor.
    restored, null
        (sites,) by how much LD rises when the donor gets a site of the clean image, and of the
        stranger.
    screen, null_screen
        (sites,) the same to first order, by the gradient at the donor.
    """

    way: float
    restored: np.ndarray
    null: np.ndarray
    screen: np.ndarray
    null_screen: np.ndarray


def trace(
    store: ActivationStore, splice: Splice, section: params.Circuits, seed: int
) -> dict[str, Any] | None:
    """Restore the sites of a layer one by one, for pairs of held-out images.

    Means over pairs are ratios of sums, with intervals over pairs where those are enough. The peak
    is measured at the site that the screen finds best for a pair, so that it is no maximum of what
    is measured; so is that of the null, by the stranger's screen. Memory: the tokens of three
    images, a few times the activations of a batch, and four numbers per pair and site.

    Returns
    -------
    dict or None
        JSON-ready: `pairs`; `prefix`, `grid` and `joined` of the sites; by site `recovered` with
        its interval from `low` to `high`, and `null`; `peak`, `peak_null`; `rank_correlation` of
        screen and measurement (mean over pairs); and `examples`. None where the model predicts a
        single class or there are fewer than three held-out images.
    """
    triples = pairing.draw_triples(store, section.traces, seed)
    if triples is None:
        return None
    positions = store.tokens.shape[1]
    sites = find_sites(positions, store.prefix, store.grid, section.sites)
    masks = sites.masks(splice.classifier.device)
    names = splice.classifier.card["class_names"]
    found = [trace_one(store, splice, masks, each) for each in progress(triples, "tracing", "pair")]
    return {
        "pairs": len(triples),
        "prefix": sites.prefix,
        "grid": sites.grid,
        "joined": sites.joined,
        **_summary(found, seed),
        "examples": [
            {
                "image_id": int(store.image_ids[triple.clean]),
                "donor_id": int(store.image_ids[triple.donor]),
                "class": names[triple.clean_class],
                "donor_class": names[triple.donor_class],
                "recovered": (traced.restored / traced.way).tolist(),
            }
            for triple, traced in zip(triples[: section.examples], found, strict=False)
        ],
    }


def trace_one(
    store: ActivationStore, splice: Splice, masks: torch.Tensor, triple: Triple
) -> Traced:
    """Restore every site (sites, positions) in the donor of one triple."""
    device = masks.device
    rows = np.array([triple.clean, triple.donor, triple.stranger])
    clean, donor, stranger = pairing.as_tokens(store, pairing.read_rows(store, rows), device)
    clean_id, donor_id = store.image_ids[rows[:2]]
    step = batch_size(splice.images)

    def differences(tokens: torch.Tensor, image_id: int) -> torch.Tensor:
        logits = splice.logits(tokens, np.full(len(tokens), image_id))
        return (logits[:, triple.clean_class] - logits[:, triple.donor_class]).double().cpu()

    def restored(source: torch.Tensor) -> np.ndarray:
        batches = [
            differences(torch.where(mask[..., None], source, donor), donor_id)
            for mask in masks.split(step)
        ]
        return (torch.cat(batches) - start).numpy()

    up, down = (
        torch.tensor([each], device=device) for each in (triple.clean_class, triple.donor_class)
    )
    slopes = pairing.gradient(splice, donor[None], np.array([donor_id]), up, down)[0]

    def screen(source: torch.Tensor) -> np.ndarray:
        by_position = (slopes * (source - donor)).sum(1)
        return (masks.to(by_position.dtype) @ by_position).double().cpu().numpy()

    with torch.no_grad():
        start = differences(donor[None], donor_id)
        way = float(differences(clean[None], clean_id) - start)
        return Traced(way, restored(clean), restored(stranger), screen(clean), screen(stranger))


def _summary(found: list[Traced], seed: int) -> dict[str, Any]:
    """Ratios of sums over pairs, with bootstraps over pairs."""
    way = np.array([each.way for each in found])
    restored = np.stack([each.restored for each in found])
    null = np.stack([each.null for each in found])

    def share(values: np.ndarray) -> dict[str, Any]:
        return statistics.ratio_estimate(values, way, seed)

    low, high = statistics.ratio_intervals(restored, way, seed)
    return {
        "recovered": (restored.sum(0) / way.sum()).tolist(),
        "low": [None if np.isnan(end) else end for end in low.tolist()],
        "high": [None if np.isnan(end) else end for end in high.tolist()],
        "null": (null.sum(0) / way.sum()).tolist(),
        "peak": share(np.array([each.restored[each.screen.argmax()] for each in found])),
        "peak_null": share(np.array([each.null[each.null_screen.argmax()] for each in found])),
        "rank_correlation": _rank_correlation(found, seed),
    }


def _rank_correlation(found: list[Traced], seed: int) -> dict[str, Any] | None:
    """Mean over pairs of Spearman's correlation of screen and measurement over sites.

    Pairs are left out where either is the same at all sites; None where that leaves none.
    """
    # Digits that the rounding of logits makes give no ranks.
    shares = [np.round(np.stack([each.screen, each.restored]) / each.way, DIGITS) for each in found]
    correlations = np.array([statistics.spearman(*each) for each in shares])
    correlations = correlations[np.isfinite(correlations)]
    return statistics.mean_estimate(correlations, seed) if len(correlations) else None
