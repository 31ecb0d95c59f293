"""Judging dictionaries on held-out images, all of them in one streamed pass."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from tickle_core import statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries.baselines import Reconstruction
from tickle_core.dictionaries.components import PrincipalComponents
from tickle_core.dictionaries.sae import Codes, SparseAutoencoder
from tickle_core.dictionaries.stream import permute_dimensions
from tickle_core.models.judging import batch_size
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress

BLOCK_TOKENS = 2**15  # at once: each takes some 30 bytes per active latent
RESAMPLES = 1000
CURVE_POINTS = 32


class Watched:
    """An SAE as a reconstructor that remembers which of its latents have been active.

    Attributes
    ----------
    permuted
        Whether it is to be given tokens whose dimensions are permuted.
    codes
        The latents of the last tokens.
    fired
        (latents,) bool.
    """

    codes: Codes

    def __init__(self, sae: SparseAutoencoder, permuted: bool):
        self._sae, self.permuted = sae, permuted
        self.fired = torch.zeros(len(sae.b_enc), dtype=torch.bool, device=sae.b_enc.device)

    def __call__(self, acts: torch.Tensor) -> Reconstruction:
        """Reconstruct raw tokens (n, d)."""
        self.codes = codes = self._sae.codes(acts)
        self.fired[codes.latents] = True
        active = torch.bincount(codes.pattern.rows[codes.values > 0], minlength=len(acts))
        return Reconstruction(self._sae.decode_codes(codes), active)


@torch.no_grad()
def judge(
    dictionaries: dict[str, Watched | Callable[[torch.Tensor], Reconstruction]],
    store: ActivationStore,
    splice: Splice,
    components: PrincipalComponents,
    watch: Callable[[np.ndarray], None],
    seed: int,
) -> dict[str, Any]:
    """Reconstruction, sparsity and splicing of every dictionary on the test split.

        FVU = sum_n ||a_n - a_hat_n||^2 / sum_n ||a_n - mean||^2

    with the mean per dimension, summed in float64. Spliced in, a reconstruction takes the
    activation's place and the network goes on from there: KL is the divergence of its class
    distribution from the clean one, in nats; agreement the share of images whose most likely class
    stays; accuracy counts the images whose class the model has. Clean is what the stored
    activations give. A dictionary that is `permuted` sees tokens whose dimensions were permuted,
    which leaves the denominator of its FVU as it is, and is not spliced in.

    Intervals are 95 % percentile bootstraps over images, since tokens of one image are not
    independent; drops of accuracy are paired. Memory: one block of images, and a few numbers per
    image and dictionary.

    Parameters
    ----------
    dictionaries
        Raw tokens (n, d) -> their reconstruction, by name.
    components
        The FVU of the first few, many and all of them is told besides.
    watch
        Called with the image ids of each block, once all dictionaries have reconstructed it.

    Returns
    -------
    dict
        JSON-ready: images, tokens, clean_accuracy, pca_curve; and `dictionaries`, with fvu, l0,
        accuracy, accuracy_drop, agreement and kl by name. Accuracies are None where the model has
        none of the classes.
    """
    sums = _Sums()
    curve = torch.zeros(components.basis.shape[0] + 1, dtype=torch.float64)
    rng = np.random.default_rng(seed)
    for rows, acts in progress(_blocks(store, splice), "judging dictionaries", "block"):
        ids = store.image_ids[rows]
        tokens = torch.from_numpy(acts).to(components.mean.device).float()
        flat = tokens.flatten(0, 1)
        clean = splice.logits(tokens, ids).log_softmax(1)
        targets = torch.from_numpy(splice.targets[ids]).to(clean.device)
        around = (tokens - components.mean).double()
        right = clean.argmax(1) == targets
        sums.add("", known=targets >= 0, right=right, square=around.square().sum((1, 2)))
        sums.add("", offset=around.sum(1))
        curve += components.squared_errors(flat).sum(0).cpu()
        for name, reconstruct in dictionaries.items():
            permuted = getattr(reconstruct, "permuted", False)
            seen = permute_dimensions(flat, rng) if permuted else flat
            made = reconstruct(seen)
            error = (made.acts - seen).view(len(ids), -1).square().sum(1, dtype=torch.float64)
            sums.add(name, error=error, active=made.active.view(len(ids), -1).sum(1))
            if not permuted:
                spliced = splice.logits(made.acts.view_as(tokens), ids).log_softmax(1)
                still_right = spliced.argmax(1) == targets
                sums.add(
                    name,
                    kl=(clean.exp() * (clean - spliced)).sum(1).clamp_min(0),  # but for rounding
                    agree=spliced.argmax(1) == clean.argmax(1),
                    right=still_right,
                    drop=right.double() - still_right.double(),
                )
        watch(ids)
    return _estimates(sums, curve.numpy(), list(dictionaries), store.tokens.shape[1], seed)


class _Sums:
    """Values per image, by dictionary and quantity, filled block by block."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], list[np.ndarray]] = {}

    def add(self, dictionary: str, **columns: torch.Tensor) -> None:
        for name, values in columns.items():
            part = values.double().cpu().numpy()
            self._parts.setdefault((dictionary, name), []).append(part)

    def columns(self) -> dict[tuple[str, str], np.ndarray]:
        return {key: np.concatenate(parts) for key, parts in self._parts.items()}


def _estimates(
    sums: _Sums, curve: np.ndarray, names: list[str], positions: int, seed: int
) -> dict[str, Any]:
    """Ratios of sums over images, each with the interval that resampled images give."""
    columns = sums.columns()
    offset = columns.pop(("", "offset"))
    n = len(offset)
    mean = offset.sum(0) / (n * positions)
    columns["", "square"] += positions * (mean @ mean) - 2 * offset @ mean
    columns["", "tokens"] = np.full(n, float(positions))
    columns["", "images"] = np.ones(n)
    place = {key: i for i, key in enumerate(columns)}
    matrix = np.stack(list(columns.values()), axis=1)
    rng = np.random.default_rng(seed)
    # A loop, so that memory does not grow with draws times images.
    draws = np.stack([statistics.resample_counts(n, rng) @ matrix for _ in range(RESAMPLES)])
    totals = matrix.sum(0)

    def ratio(name: str, quantity: str, base: str) -> dict[str, Any] | None:
        above, below = place.get((name, quantity)), place["", base]
        if above is None or totals[below] == 0:
            return None
        drawn = draws[draws[:, below] > 0]
        return {
            "value": float(totals[above] / totals[below]),
            "interval": list(statistics.percentile_interval(drawn[:, above] / drawn[:, below])),
            "n": int(totals[place["", "known" if base == "known" else "images"]]),
        }

    counts = np.unique(np.geomspace(1, len(curve) - 1, CURVE_POINTS).round().astype(int))
    return {
        "images": n,
        "tokens": n * positions,
        "clean_accuracy": ratio("", "right", "known"),
        "pca_curve": [
            {"components": count, "fvu": float(curve[count] / totals[place["", "square"]])}
            for count in counts.tolist()
        ],
        "dictionaries": {
            name: {
                "fvu": ratio(name, "error", "square"),
                "l0": ratio(name, "active", "tokens"),
                "accuracy": ratio(name, "right", "known"),
                "accuracy_drop": ratio(name, "drop", "known"),
                "agreement": ratio(name, "agree", "images"),
                "kl": ratio(name, "kl", "images"),
            }
            for name in names
        },
    }


def _blocks(store: ActivationStore, splice: Splice) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Test tokens in blocks that are too large neither as tokens nor for the network's tail."""
    step = max(1, min(batch_size(splice.images), BLOCK_TOKENS // store.tokens.shape[1]))
    for rows, acts in store.token_blocks(store.test_rows):
        for start in range(0, len(rows), step):
            yield rows[start : start + step], acts[start : start + step]
