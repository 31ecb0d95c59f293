"""Judging dictionaries on held-out images, all of them in one streamed pass."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tickle_core import statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries.baselines import Reconstruction
from tickle_core.dictionaries.components import PrincipalComponents
from tickle_core.dictionaries.per_image import PerImage, around_their_mean, ratios
from tickle_core.dictionaries.sae import Codes, SparseAutoencoder
from tickle_core.dictionaries.stream import Sample, permute_dimensions
from tickle_core.models.accuracy import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress

BLOCK_TOKENS = 2**15  # at once: each takes some 30 bytes per active latent


class Watched:
    """An SAE as a reconstructor that remembers which of its latents have been active.

    Attributes
    ----------
    codes, rebuilt
        The latents of the last tokens, and their reconstruction.
    fired
        (latents,) bool.
    """

    codes: Codes
    rebuilt: torch.Tensor

    def __init__(self, sae: SparseAutoencoder):
        self._sae = sae
        self.fired = torch.zeros(len(sae.b_enc), dtype=torch.bool, device=sae.b_enc.device)

    def __call__(self, acts: torch.Tensor) -> Reconstruction:
        """Reconstruct raw tokens (n, d)."""
        self.codes = codes = self._sae.codes(acts)
        self.rebuilt = self._sae.decode_codes(codes)
        self.fired[codes.latents] = True
        active = torch.bincount(codes.pattern.rows[codes.values > 0], minlength=len(acts))
        return Reconstruction(self.rebuilt, active)


@dataclass(frozen=True)
class Contestant:
    """A dictionary under judgement.

    Attributes
    ----------
    reconstruct
        Raw tokens (n, d) -> their reconstruction.
    permuted
        Whether it is given tokens whose dimensions are permuted.
    spliced
        Whether its reconstruction also takes the layer's place in the network.
    """

    reconstruct: Callable[[torch.Tensor], Reconstruction]
    permuted: bool = False
    spliced: bool = True


@dataclass(frozen=True)
class Judged:
    """What held-out images say of dictionaries.

    Attributes
    ----------
    images, tokens
        How many there were.
    clean_accuracy
        Of the network itself; None where no image's class is the model's.
    dictionaries
        JSON-ready, by name: fvu and l0; accuracy, accuracy_drop, agreement and kl, which are None
        of what was not spliced in, and the first two also where the model has none of the classes.
    pca_fvu
        (d + 1,), FVU with 0, 1, ..., d principal components.
    kept
        By name, for every image (n,) bool: whether the prediction is right with the dictionary
        spliced in; where the model has none of the classes, whether it stays as it was.
    """

    images: int
    tokens: int
    clean_accuracy: dict[str, Any] | None
    dictionaries: dict[str, dict[str, Any]]
    pca_fvu: np.ndarray
    kept: dict[str, np.ndarray]


@torch.no_grad()
def judge(
    contestants: dict[str, Contestant],
    store: ActivationStore,
    splice: Splice,
    sample: Sample,
    components: PrincipalComponents,
    watch: Callable[[np.ndarray, torch.Tensor], None],
    seed: int,
) -> Judged:
    """Reconstruction, sparsity and splicing of every dictionary on the test split.

        FVU = sum_n ||a_n - a_hat_n||^2 / sum_n ||a_n - mean||^2

    with the mean per dimension, summed in float64. Spliced in, a reconstruction takes the
    activation's place and the network goes on from there: KL is the divergence of its class
    distribution from the clean one, in nats; agreement the share of images whose most likely class
    stays; accuracy counts the images whose class the model has. Clean is what the stored
    activations give. What is permuted has the variance of the permuted tokens below its FVU.

    Intervals are over images, since tokens of one image are not independent: of FVU, L0 and KL as
    `statistics.ratio_intervals` has them, of shares Wilson's, of the drop of accuracy that of
    paired proportions. They say nothing of how trainings differ. Memory: one block of images, and
    a few numbers per image and dictionary.

    Parameters
    ----------
    contestants
        By name. What is permuted cannot be spliced.
    sample
        Train tokens, with which short blocks are permuted.
    watch
        Called with the image ids of each block and its tokens (b, positions, d), once all
        dictionaries have reconstructed it.
    """
    sums = PerImage()
    curve = torch.zeros(components.basis.shape[0] + 1, dtype=torch.float64)
    rng = np.random.default_rng(seed)
    for rows, acts in progress(_blocks(store, splice), "judging dictionaries", "block"):
        ids = store.image_ids[rows]
        tokens = torch.from_numpy(acts).to(components.mean.device).float()
        flat = tokens.flatten(0, 1)
        clean = splice.logits(tokens, ids).log_softmax(1)
        targets = torch.from_numpy(splice.targets[ids]).to(clean.device)
        sums.add("", known=targets >= 0, right=clean.argmax(1) == targets)
        curve += components.squared_errors(flat).sum(0).cpu()
        _add_variance(sums, "", tokens, components.mean)
        for name, contestant in contestants.items():
            seen = flat
            if contestant.permuted:
                seen = permute_dimensions(flat, rng, sample.tokens)
                _add_variance(sums, name, seen.view_as(tokens), components.mean)
            made = contestant.reconstruct(seen)
            error = (made.acts - seen).view(len(ids), -1).square().sum(1, dtype=torch.float64)
            sums.add(name, error=error, active=made.active.view(len(ids), -1).sum(1))
            if contestant.spliced:
                spliced = splice.logits(made.acts.view_as(tokens), ids).log_softmax(1)
                sums.add(
                    name,
                    kl=(clean.exp() * (clean - spliced)).sum(1).clamp_min(0),  # but for rounding
                    agree=spliced.argmax(1) == clean.argmax(1),
                    right=spliced.argmax(1) == targets,
                )
        watch(ids, tokens)
    return _judged(sums.columns(), curve.numpy(), list(contestants), store.tokens.shape[1], seed)


def _add_variance(sums: PerImage, owner: str, tokens: torch.Tensor, centre: torch.Tensor) -> None:
    around = (tokens - centre).double()
    sums.add(owner, square=around.square().sum((1, 2)), offset=around.sum(1))


def _judged(
    columns: dict[tuple[str, str], np.ndarray],
    curve: np.ndarray,
    names: list[str],
    positions: int,
    seed: int,
) -> Judged:
    known = columns["", "known"] > 0
    n, right = len(known), columns["", "right"]
    variance = around_their_mean(columns["", "square"], columns["", "offset"], positions)

    def gathered(quantity: str) -> dict[str, np.ndarray]:
        return {name: columns[name, quantity] for name in names if (name, quantity) in columns}

    error, ones = gathered("error"), np.ones(n)
    fvu: dict[str, dict[str, Any]] = {}
    for name, offset in gathered("offset").items():
        own = around_their_mean(columns[name, "square"], offset, positions)
        fvu |= ratios({name: error.pop(name)}, own, seed)
    fvu |= ratios(error, variance, seed)
    l0 = ratios(gathered("active"), positions * ones, seed)
    kl = ratios(gathered("kl"), ones, seed)

    def judged(name: str) -> dict[str, Any]:
        found = dict.fromkeys(("accuracy", "accuracy_drop", "agreement", "kl"))
        found |= {"fvu": fvu[name], "l0": l0[name]}
        if name in kl:
            stays = int(columns[name, "agree"].sum())
            found |= {"kl": kl[name], "agreement": statistics.proportion(stays, n)}
        if name in kl and known.any():
            found["accuracy"] = _share(columns[name, "right"], known)
            found["accuracy_drop"] = drop(right, columns[name, "right"], known)
        return found

    return Judged(
        images=n,
        tokens=n * positions,
        clean_accuracy=_share(right, known) if known.any() else None,
        dictionaries={name: judged(name) for name in names},
        pca_fvu=curve / variance.sum(),
        kept={
            name: columns[name, "right" if known.any() else "agree"][known | ~known.any()] > 0
            for name in kl
        },
    )


def drop(
    before: np.ndarray, after: np.ndarray, of: np.ndarray | slice = slice(None)
) -> dict[str, Any]:
    """The share of images that are right `before` minus that `after`, (n,) each, as an estimate."""
    before, after = before[of] > 0, after[of] > 0
    lost, gained = (before & ~after).sum(), (after & ~before).sum()
    return statistics.paired_difference(int(lost), int(gained), len(before))


def _share(right: np.ndarray, known: np.ndarray) -> dict[str, Any]:
    return statistics.proportion(int(right[known].sum()), int(known.sum()))


def _blocks(store: ActivationStore, splice: Splice) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Test tokens in blocks that are too large neither as tokens nor for the network's tail."""
    step = max(1, min(batch_size(splice.images), BLOCK_TOKENS // store.tokens.shape[1]))
    for rows, acts in store.token_blocks(store.test_rows):
        for start in range(0, len(rows), step):
            yield rows[start : start + step], acts[start : start + step]
