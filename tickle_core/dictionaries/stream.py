"""The tokens that SAEs learn from: endless shuffled batches, a sample to begin with, a null."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from tickle_core import streams
from tickle_core.activations.store import ActivationStore
from tickle_core.errors import TickleError

SAMPLE_TOKENS = 65_536
SAMPLE_BYTES = 128 * 2**20
BLOCK_BYTES = 64 * 2**20  # of tokens widened to float64 at once
SAMPLE_SEED = 1_000_003  # added to the seed
HELD_OUT_TOKENS = 8192
HELD_OUT_SHARE = 0.05
DRAWN_CHUNKS = 8


def token_batches(
    store: ActivationStore,
    rows: np.ndarray,
    batch_size: int,
    pool_bytes: int,
    seed: int,
    first: int = 0,
) -> Iterator[torch.Tensor]:
    """Batches of the tokens of the given images, again and again, each pass in another order.

    Which tokens a batch holds depends on its number alone. So a stream can be taken up at any
    batch; that costs reading what comes before it in the same pass.

    Parameters
    ----------
    rows
        (n,) ascending rows of the store.
    pool_bytes
        Memory for shuffling.
    first
        Number of the first batch.

    Yields
    ------
    torch.Tensor
        (batch_size, d) float32; the last batch of a pass may be shorter.
    """
    in_a_pass = -(-len(rows) * store.tokens.shape[1] // batch_size)
    passes, skipped = divmod(first, in_a_pass)
    while True:
        rng = np.random.default_rng([seed, passes])
        chunks = streams.random_chunks(store.tokens, rows, rng)
        tokens = ((block.reshape(-1, block.shape[-1]),) for _, block in chunks)
        for number, (batch,) in enumerate(streams.mix(tokens, batch_size, pool_bytes, rng)):
            if number >= skipped:
                # By torch: NumPy takes ten times as long to widen half precision.
                yield torch.from_numpy(store.decode(batch)).float()
        passes, skipped = passes + 1, 0


@dataclass(frozen=True)
class Sample:
    """Some train tokens: what centring, scaling, initial dictionaries and baselines come from.

    Attributes
    ----------
    tokens
        (n, d) float32, raw.
    mean
        (d,) float32, of the tokens.
    scale
        Root of their mean squared distance from it.
    """

    tokens: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor

    def standardized(self, acts: torch.Tensor) -> torch.Tensor:
        """Activations (n, d) centred and scaled: their mean squared norm becomes about 1."""
        return (acts - self.mean).div_(self.scale)

    @cached_property
    def covariance(self) -> torch.Tensor:
        """(d, d) float64, with n in the denominator. Not for a device without float64 (MPS)."""
        n, d = self.tokens.shape
        squares = self.mean.new_zeros(d, d, dtype=torch.float64)
        for tokens in self.tokens.split(max(1, BLOCK_BYTES // (8 * d))):
            around = (tokens - self.mean).double()
            squares.addmm_(around.T, around)
        return squares / n

    def to(self, device: torch.device) -> "Sample":
        """The same on another device."""
        return Sample(self.tokens.to(device), self.mean.to(device), self.scale.to(device))


def sample_tokens(store: ActivationStore, rows: np.ndarray, least: int, seed: int) -> Sample:
    """Draw train tokens: SAMPLE_TOKENS, fewer where they are wide, but `least` at least.

    Raises
    ------
    TickleError
        If all tokens are equal.
    """
    d = store.tokens.shape[-1]
    count = max(least, min(SAMPLE_TOKENS, SAMPLE_BYTES // (4 * d)))
    count = min(count, len(rows) * store.tokens.shape[1])
    # Another stream than training's, whose first batches would otherwise be these.
    batches = token_batches(store, rows, 1024, 2 * SAMPLE_BYTES, seed + SAMPLE_SEED)
    parts, found = [], 0
    while found < count:
        parts.append(next(batches))
        found += len(parts[-1])
    tokens = torch.cat(parts)[:count]
    mean = tokens.double().mean(0)
    scale = (tokens - mean).square().sum(1).mean().sqrt()
    if not scale > 0:
        raise TickleError(f"all tokens of {store.path} are equal: there is nothing to learn")
    return Sample(tokens, mean.float(), scale.float())


def hold_out(store: ActivationStore, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Set a few images of the train split aside, on which training is watched.

    Returns
    -------
    tuple
        Their tokens (about HELD_OUT_TOKENS, of at most HELD_OUT_SHARE of the images), and the
        remaining train rows, ascending.

    Raises
    ------
    TickleError
        If there are fewer than two train images.
    """
    rows, positions = store.train_rows, store.tokens.shape[1]
    if len(rows) < 2:
        raise TickleError(
            f"{store.path} has {len(rows)} train images, but a sparse autoencoder needs two at "
            "least: raise extract.train_images or add images"
        )
    wanted = max(1, min(int(HELD_OUT_SHARE * len(rows)), -(-HELD_OUT_TOKENS // positions)))
    taken, tokens = draw_images(store, rows, wanted, seed)
    return tokens.flatten(0, 1), np.setdiff1d(rows, taken)


def draw_images(
    store: ActivationStore, rows: np.ndarray, count: int, seed: int
) -> tuple[np.ndarray, torch.Tensor]:
    """Draw `count` of the given ascending rows, from several random chunks, and their tokens.

    Sorted images are alike within a chunk, and reading all chunks for a few images each would
    take as long as reading everything.

    Returns
    -------
    tuple
        Row numbers (count,), and raw tokens (count, positions, d) float32.
    """
    rng = np.random.default_rng(seed)
    taken: list[np.ndarray] = []
    tokens: list[np.ndarray] = []
    parts = min(DRAWN_CHUNKS, len(np.unique(rows // store.tokens.chunks[0])))
    for chunk_rows, content in streams.random_chunks(store.tokens, rows, rng):
        missing = count - sum(len(each) for each in taken)
        some = min(missing, -(-count // parts), len(chunk_rows))
        places = np.sort(rng.choice(len(chunk_rows), some, replace=False))
        taken.append(chunk_rows[places])
        tokens.append(store.decode(content[places]))
        if some == missing:
            break
    return np.concatenate(taken), torch.from_numpy(np.concatenate(tokens)).float()


def permute_dimensions(
    acts: torch.Tensor, rng: np.random.Generator, others: torch.Tensor | None = None
) -> torch.Tensor:
    """Move each dimension of a batch (n, d) along the tokens by a distance of its own.

    Every dimension keeps its values, and no two values of a token stay together: no two
    dimensions go equally far. A batch of fewer tokens than dimensions has too few distances for
    that, so tokens of `others` are appended before and taken off again. Where both together are
    too few, dimensions share distances, each as few as can be.

    Parameters
    ----------
    others
        (n', d), further tokens.

    Raises
    ------
    ValueError
        If there is but one token: nothing in it can be permuted.
    """
    n, d = acts.shape
    if n < d and others is not None:
        acts = torch.cat([acts, others[: d - n]])
    if len(acts) < 2:
        raise ValueError("one token has no other to exchange values with")
    far = rng.permutation(max(len(acts), d))[:d] % len(acts)
    places = torch.arange(n, device=acts.device)[:, None] + torch.from_numpy(far).to(acts.device)
    return acts.gather(0, places % len(acts))
