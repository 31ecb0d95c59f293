"""What a whole image comes to: each feature's maximum over its positions.

latents      of an SAE
random       as many random directions that are spread as the tokens are
components   principal components, each with either sign
channels     likewise

All but the latents are read around the mean token. A latent has one sign and may take another
direction for the opposite; what is not learnt is given both where it does not come in such numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from tickle_core import streams
from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries import directions
from tickle_core.dictionaries.components import PrincipalComponents
from tickle_core.dictionaries.latents import strongest
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample
from tickle_core.progress import progress

DRAWS = 3  # of random directions
LATENTS = "latents"


@dataclass(frozen=True)
class ImageFeatures:
    """Features that whole images are read by.

    Attributes
    ----------
    sae
        Whose latents they are.
    mean
        (d,), of the tokens.
    directions
        By name (random0, random1, ..., components, channels), (units, d).
    """

    sae: SparseAutoencoder
    mean: torch.Tensor
    directions: dict[str, torch.Tensor]

    def of_directions(self, tokens: torch.Tensor) -> dict[str, np.ndarray]:
        """The directions' part of `of`."""
        around = tokens - self.mean
        return {
            name: (around @ each.T).amax(1).cpu().numpy() for name, each in self.directions.items()
        }

    def of(self, tokens: torch.Tensor) -> dict[str, np.ndarray]:
        """Of images with tokens (n, positions, d): by name, (n, units) float32."""
        codes = self.sae.codes(tokens.flatten(0, 1))
        latents, _ = strongest(codes, len(tokens))
        return {LATENTS: latents.cpu().numpy(), **self.of_directions(tokens)}


def features(
    sae: SparseAutoencoder, sample: Sample, pca: PrincipalComponents, seed: int
) -> ImageFeatures:
    """The features of a layer; `sample` are train tokens, `pca` their components."""
    latents, d = sae.w_dec.shape
    axes = {"components": pca.basis, "channels": torch.eye(d, device=sample.mean.device)}
    drawn = {
        name: directions.like_tokens(sample, latents, seed + draw)
        for draw, name in enumerate(random_names())
    }
    both = {name: torch.cat([each, -each]) for name, each in axes.items()}
    return ImageFeatures(sae, sample.mean, drawn | both)


def random_names() -> list[str]:
    """The names of the random directions."""
    return [f"random{draw}" for draw in range(DRAWS)]


@torch.no_grad()
def read(
    features: ImageFeatures, store: ActivationStore, rows: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Features of some images, in the order of their rows (ascending): by name, (n, units).

    Memory: the result, and a chunk of the store with all of its features' values.
    """
    found: dict[str, list[np.ndarray]] = {}
    seen = []
    for chunk_rows, tokens in _chunks(features, store, rows, seed):
        seen.append(chunk_rows)
        for name, values in features.of(tokens).items():
            found.setdefault(name, []).append(values)
    order = np.argsort(np.concatenate(seen))
    return {name: np.concatenate(parts)[order] for name, parts in found.items()}


def _chunks(
    features: ImageFeatures, store: ActivationStore, rows: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    chunks = streams.random_chunks(store.tokens, rows, np.random.default_rng(seed))
    for chunk_rows, content in progress(chunks, "features of train images", "chunk"):
        yield chunk_rows, torch.from_numpy(store.decode(content)).float().to(features.mean.device)
