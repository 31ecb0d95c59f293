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
import pandas as pd
import torch

from tickle_core import statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import pairing
from tickle_core.circuits.pairing import Triple
from tickle_core.circuits.sites import find_sites
from tickle_core.models.accuracy import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.params.circuits import Circuits
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
    change
        (sites,) squared distance of the clean image's tokens from the donor's.
    """

    way: float
    restored: np.ndarray
    null: np.ndarray
    screen: np.ndarray
    null_screen: np.ndarray
    change: np.ndarray


@dataclass(frozen=True)
class Tracing:
    """What tracing a layer finds.

    Attributes
    ----------
    metrics
        JSON-ready, see `trace`; where nothing can be traced only `why`.
    sites
        A row per site, prefix positions first, then the grid row by row: `recovered` share with its
        interval from `low` to `high` (not numbers where pairs are too few), and `null`.
    examples
        A row per example pair and site: image_id, donor_id, class, donor_class, site, recovered.
    """

    metrics: dict[str, Any]
    sites: pd.DataFrame
    examples: pd.DataFrame


SITES = ["recovered", "low", "high", "null"]
EXAMPLES = ["image_id", "donor_id", "class", "donor_class", "site", "recovered"]


def trace(store: ActivationStore, splice: Splice, section: Circuits, seed: int) -> Tracing:
    """Restore the sites of a layer one by one, for pairs of held-out images.

    Means over pairs are ratios of sums, with intervals over pairs where those are enough. The peak
    is measured at the site that the screen finds best for a pair, so that it is no maximum of what
    is measured; so is that of its null, by the stranger's screen. Memory: the tokens of three
    images, a few times the activations of a batch, and five numbers per pair and site.

    Returns
    -------
    Tracing
        Its metrics: `pairs`; `prefix`, `grid` and `joined` of the sites; `peak` with its null; and
        `rank_correlation` of screen and measurement over sites (mean over pairs), whose null is
        that of how much a site changes.
    """
    triples = pairing.draw_triples(store, section.traces, seed)
    if triples is None:
        why = "the model predicts a single class, or there are fewer than three held-out images"
        return Tracing({"why": why}, pd.DataFrame(columns=SITES), pd.DataFrame(columns=EXAMPLES))
    positions = store.tokens.shape[1]
    sites = find_sites(positions, store.prefix, store.grid, section.sites)
    masks = sites.masks(splice.classifier.device)
    names = splice.classifier.card["class_names"]
    found = [trace_one(store, splice, masks, each) for each in progress(triples, "tracing", "pair")]
    examples = [
        pd.DataFrame(
            {
                "image_id": store.image_ids[triple.clean],
                "donor_id": store.image_ids[triple.donor],
                "class": names[triple.clean_class],
                "donor_class": names[triple.donor_class],
                "site": np.arange(len(masks)),
                "recovered": traced.restored / traced.way,
            }
        )
        for triple, traced in zip(triples[: section.examples], found, strict=False)
    ]
    metrics = {
        "pairs": len(triples),
        "prefix": sites.prefix,
        "grid": sites.grid,
        "joined": sites.joined,
        "peak": _peak(found, seed),
        "rank_correlation": _rank_correlation(found, seed),
    }
    nothing = pd.DataFrame(columns=EXAMPLES)
    return Tracing(metrics, _sites(found, seed), pd.concat(examples) if examples else nothing)


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
        distances = (clean - donor).square().sum(1)
        return Traced(
            way,
            restored(clean),
            restored(stranger),
            screen(clean),
            screen(stranger),
            (masks.to(distances.dtype) @ distances).double().cpu().numpy(),
        )


def _sites(found: list[Traced], seed: int) -> pd.DataFrame:
    way = np.array([each.way for each in found])
    restored = np.stack([each.restored for each in found])
    null = np.stack([each.null for each in found])
    low, high = statistics.ratio_intervals(restored, way, seed)
    columns = restored.sum(0) / way.sum(), low, high, null.sum(0) / way.sum()
    return pd.DataFrame(dict(zip(SITES, columns, strict=True)))


def _peak(found: list[Traced], seed: int) -> dict[str, Any]:
    way = np.array([each.way for each in found])
    peaks = np.array([each.restored[each.screen.argmax()] for each in found])
    null = np.array([each.null[each.null_screen.argmax()] for each in found])
    peak = statistics.ratio_estimate(peaks, way, seed)
    return peak | {"null": statistics.ratio_estimate(null, way, seed)}


def _rank_correlation(found: list[Traced], seed: int) -> dict[str, Any] | None:
    """Mean over pairs of Spearman's correlation over sites of what is measured and the screen.

    Pairs are left out where either is the same at all sites; None where that leaves none.
    """

    def correlation(guesses: list[np.ndarray]) -> dict[str, Any] | None:
        # Digits that the rounding of logits makes give no ranks.
        measured = [np.round(each.restored / each.way, DIGITS) for each in found]
        each_pair = [statistics.spearman(*both) for both in zip(guesses, measured, strict=True)]
        told = np.array([each for each in each_pair if np.isfinite(each)])
        return statistics.mean_estimate(told, seed) if len(told) else None

    screened = correlation([np.round(each.screen / each.way, DIGITS) for each in found])
    null = correlation([each.change for each in found])
    if screened and null is None:
        return screened | {"null": None, "why": "all sites change as much"}
    return screened and screened | {"null": null}
