"""Judging a sparse autoencoder on held-out images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.progress import progress

LATENT_BYTES = 64 * 2**20  # of one dense block of latents
RESAMPLES = 1000


@dataclass(frozen=True)
class Evaluation:
    """What held-out images say of an SAE.

    Attributes
    ----------
    metrics
        fvu and l0 (value, interval, n), dead_share, JSON-ready.
    latents
        One row per latent: density (share of tokens on which it fires), mean_square (over all
        tokens; the decoder has unit norm, so this is the energy that it carries), max.
    top_images
        One row per latent and rank: image_id, position (of the strongest token), value.
    """

    metrics: dict[str, Any]
    latents: pd.DataFrame
    top_images: pd.DataFrame


@torch.inference_mode()
def evaluate(
    sae: SparseAutoencoder, store: ActivationStore, top: int, seed: int, device: torch.device
) -> Evaluation:
    """Reconstruction, sparsity and strongest images on the test split, in one streamed pass.

    FVU = sum_n ||a_n - D(E(a_n))||^2 / sum_n ||a_n - mean||^2 with the mean per dimension, summed
    in float64. Its null: the same SAE on tokens whose dimensions were permuted independently of
    one another, which keeps every marginal and destroys what the dictionary describes. Intervals
    are 95 % percentile bootstraps over images, since tokens of one image are not independent.
    """
    if device.type == "mps":  # has no float64, which the sums need
        device = torch.device("cpu")
    sae = sae.to(device)
    rng = np.random.default_rng(seed)
    # Sums are taken around the decoder bias, which is near the mean, to keep their digits.
    center = sae.b_dec.double()
    errors, null_errors, squares, sums, actives = [], [], [], [], []
    ranking = TopImages(sae.w_dec.shape[0], top, device)
    fired = torch.zeros(sae.w_dec.shape[0], dtype=torch.float64, device=device)
    energy, peak = torch.zeros_like(fired), torch.zeros_like(fired)
    for rows, acts in progress(_blocks(store, sae), "judging the SAE", "block"):
        x = torch.from_numpy(acts).to(device).float()
        z = sae.encode(x)
        errors.append(_squared_error(sae.decode(z), x))
        shuffled = torch.from_numpy(_permute_dimensions(acts, rng)).to(device).float()
        null_errors.append(_squared_error(sae.decode(sae.encode(shuffled)), shuffled))
        around = x.double() - center
        squares.append(around.square().sum((1, 2)))
        sums.append(around.sum(1))
        actives.append((z > 0).sum(2, dtype=torch.float64).sum(1))
        flat = z.flatten(0, 1)
        fired += (flat > 0).sum(0)
        energy += flat.square().sum(0, dtype=torch.float64)
        peak = torch.maximum(peak, flat.amax(0).double())
        ranking.add(store.image_ids[rows], z)
    images = len(store.test_rows)
    positions = store.tokens.shape[1]
    tokens = images * positions
    per_image = {
        name: torch.cat(parts).cpu().numpy()
        for name, parts in (("error", errors), ("null", null_errors), ("active", actives))
    }
    offsets = torch.cat(sums)
    mean = offsets.sum(0) / tokens
    total = torch.cat(squares) - 2 * offsets @ mean + positions * mean.square().sum()
    variance = total.cpu().numpy()
    size = np.full(images, float(positions))
    metrics = {
        "variant": sae.variant,
        "latents": sae.w_dec.shape[0],
        "images": images,
        "tokens": tokens,
        "fvu": _ratio(per_image["error"], variance, rng),
        "fvu_permuted": _ratio(per_image["null"], variance, rng),
        "l0": _ratio(per_image["active"], size, rng),
        "dead_share": {"value": float((fired == 0).double().mean()), "n": tokens},
    }
    latents = pd.DataFrame(
        {
            "latent": np.arange(len(fired)),
            "density": (fired / tokens).cpu().numpy(),
            "mean_square": (energy / tokens).cpu().numpy(),
            "max": peak.cpu().numpy(),
        }
    )
    return Evaluation(metrics, latents, ranking.table())


class TopImages:
    """The strongest images of every latent, kept as ids and values while blocks pass by."""

    def __init__(self, latents: int, top: int, device: torch.device):
        self._values = torch.zeros(top, latents, device=device)
        self._images = torch.full((top, latents), -1, dtype=torch.int64, device=device)
        self._positions = torch.full_like(self._images, -1)

    def add(self, image_ids: np.ndarray, latents: torch.Tensor) -> None:
        """Take the latents (b, positions, latents) of b images."""
        values, positions = latents.max(1)
        images = torch.from_numpy(image_ids).to(values.device)[:, None].expand_as(positions)
        values = torch.cat([self._values, values])
        self._values, order = values.topk(len(self._values), dim=0)
        self._images = torch.cat([self._images, images]).gather(0, order)
        self._positions = torch.cat([self._positions, positions]).gather(0, order)

    def table(self) -> pd.DataFrame:
        """latent, rank, image_id, position, value; without ranks at which a latent is silent."""
        values = self._values.T.cpu().numpy()
        latent, rank = np.nonzero(values > 0)
        return pd.DataFrame(
            {
                "latent": latent,
                "rank": rank,
                "image_id": self._images.T.cpu().numpy()[latent, rank],
                "position": self._positions.T.cpu().numpy()[latent, rank],
                "value": values[latent, rank],
            }
        )


def _blocks(
    store: ActivationStore, sae: SparseAutoencoder
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Test tokens in blocks whose dense latents stay near LATENT_BYTES."""
    image_bytes = store.tokens.shape[1] * sae.w_dec.shape[0] * 4
    step = max(1, LATENT_BYTES // image_bytes)
    for rows, acts in store.token_blocks(store.test_rows):
        for start in range(0, len(rows), step):
            yield rows[start : start + step], acts[start : start + step]


def _squared_error(reconstruction: torch.Tensor, acts: torch.Tensor) -> torch.Tensor:
    """Summed over positions and dimensions, per image, float64."""
    return (reconstruction - acts).square().sum((1, 2), dtype=torch.float64)


def _permute_dimensions(acts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffle each dimension over the tokens of a block by itself."""
    flat = acts.reshape(-1, acts.shape[-1])
    return rng.permuted(flat, axis=0).reshape(acts.shape)


def _ratio(
    numerators: np.ndarray, denominators: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """Ratio of sums over images, with its bootstrap interval."""
    draws = np.empty(RESAMPLES)
    for i in range(RESAMPLES):  # a loop, so that memory does not grow with draws times images
        weights = rng.multinomial(len(numerators), np.full(len(numerators), 1 / len(numerators)))
        draws[i] = (weights @ numerators) / (weights @ denominators)
    return {
        "value": float(numerators.sum() / denominators.sum()),
        "interval": np.quantile(draws, [0.025, 0.975]).tolist(),
        "n": len(numerators),
    }
