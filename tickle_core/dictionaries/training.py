"""Training a sparse autoencoder from the activation store's shuffled token stream."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch

from tickle_core import params, streams
from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.progress import progress

SAMPLE_TOKENS = 65_536  # for centring, scaling and the initial dictionary
WARM_UP_SHARE = 0.05
CLIP_NORM = 1.0


def train(
    store: ActivationStore, section: params.Sae, seed: int, device: torch.device
) -> SparseAutoencoder:
    """Train on tokens of the train split.

    loss = mean_n ||a_n - D(E(a_n))||^2, for the relu variant plus l1 * mean_n ||E(a_n)||_1, on
    activations that are centred and scaled to a mean squared norm of 1. The decoder starts from
    data points, the encoder as its transpose; Adam with warm-up and cosine decay, clipped
    gradients, unit-norm decoder. The returned weights act on raw activations.

    Memory: the token pool (`buffer_mib`), one batch of latents, the weights; none of it grows
    with the number of images.
    """
    mean, scale, sample = _sample(store, section, seed)
    mean, scale = torch.from_numpy(mean).to(device), torch.tensor(scale, device=device)
    sae = _initialize(torch.from_numpy(sample), section, seed).to(device)
    optimizer = torch.optim.Adam(sae.parameters(), lr=section.learning_rate, fused=True)
    steps = max(1, section.tokens // section.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _learning_rate(step, steps)
    )
    batches = itertools.islice(token_batches(store, section, seed), steps)
    for batch in progress(batches, f"training {section.variant} SAE", "batch", total=steps):
        acts = (torch.from_numpy(batch).to(device) - mean) / scale
        latents = sae.encode(acts)
        loss = (sae.decode(latents) - acts).square().sum(1).mean()
        if section.variant == "relu":
            loss = loss + section.l1 * latents.sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        sae.remove_parallel_gradient()
        torch.nn.utils.clip_grad_norm_(sae.parameters(), CLIP_NORM)
        optimizer.step()
        schedule.step()
        sae.normalize_decoder()
    sae.fold(mean, scale)
    return sae.eval()


def token_batches(store: ActivationStore, section: params.Sae, seed: int) -> Iterator[np.ndarray]:
    """Endless shuffled batches of train tokens, (batch_size, d) float32."""
    rng = np.random.default_rng(seed)
    while True:
        chunks = streams.random_chunks(store.tokens, store.train_rows, rng)
        tokens = ((block.reshape(-1, block.shape[-1]),) for _, block in chunks)
        for (batch,) in streams.mix(tokens, section.batch_size, section.buffer_mib * 2**20, rng):
            # By torch: NumPy takes ten times as long to widen half precision.
            yield torch.from_numpy(store.decode(batch)).float().numpy()


def _sample(
    store: ActivationStore, section: params.Sae, seed: int
) -> tuple[np.ndarray, np.float32, np.ndarray]:
    """Mean (d,) and scale of the activations, and tokens (n, d) already centred and scaled."""
    needed = -(-max(SAMPLE_TOKENS, section.latents) // section.batch_size)
    # Another seed than the training stream's, whose first batches would otherwise be these.
    batches = itertools.islice(token_batches(store, section, seed + 1), needed)
    tokens = np.concatenate(list(batches))
    mean = tokens.mean(0, dtype=np.float64).astype(np.float32)
    tokens -= mean
    scale = np.float32(np.sqrt(np.square(tokens, dtype=np.float64).sum(1).mean()))
    return mean, scale, tokens / scale


def _initialize(sample: torch.Tensor, section: params.Sae, seed: int) -> SparseAutoencoder:
    """Dictionary directions are data points; the encoder looks along them."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(sample), generator=generator)[: section.latents]
    sae = SparseAutoencoder(sample.shape[1], section.latents, section.variant, section.k)
    with torch.no_grad():
        sae.w_dec.copy_(sample[chosen])
        sae.normalize_decoder()
        sae.w_enc.copy_(sae.w_dec.T)
    return sae


def _learning_rate(step: int, steps: int) -> float:
    """Share of the full rate: linear warm-up, then cosine to zero."""
    warm_up = max(1, int(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
