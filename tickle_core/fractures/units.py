"""Sets of points that may come in parts: the images of classes and concepts, what latents fire for.

class, concept   pooled vectors of its held-out images
latent           the tokens at which it is strongest, one of each held-out image, of the images that
                 excite it most
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from tickle_core.activations.picking import tokens_at
from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries.latents import strongest
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.geometry.neighbours import distinct

AT_ONCE_TOKENS = 2**15


@dataclass(frozen=True)
class Unit:
    """A set of points that are no copies of each other.

    Attributes
    ----------
    kind, name
        class, concept or latent, and which.
    points
        (n, d).
    images
        (n,) place of their images among the held-out ones.
    """

    kind: str
    name: str
    points: np.ndarray
    images: np.ndarray


def of_images(
    pooled: np.ndarray, sets: Mapping[str, Mapping[str, np.ndarray]], most: int, seed: int
) -> list[Unit]:
    """Classes and concepts.

    Parameters
    ----------
    pooled
        (N, d) of the held-out images.
    sets
        By kind and name, places of their images; at most `most` are drawn of each.
    """
    rng = np.random.default_rng(seed)
    found = []
    for kind, named in sets.items():
        for name, members in named.items():
            chosen = np.sort(rng.permutation(members)[:most])
            found.append(_without_copies(kind, name, pooled[chosen], chosen))
    return found


@torch.no_grad()
def of_latents(
    sae: SparseAutoencoder,
    store: ActivationStore,
    rows: np.ndarray,
    latents: list[int],
    most: int,
) -> list[Unit]:
    """Latents that fire in some image, each by its `most` strongest tokens.

    Memory: a number and a position per image and latent, and the tokens of one latent.

    Parameters
    ----------
    rows
        Rows of the store, of the N held-out images, ascending.
    """
    device = sae.w_dec.device
    together = max(1, AT_ONCE_TOKENS // store.tokens.shape[1])
    peaks, places = [], []
    for _, block in store.token_blocks(rows):
        for start in range(0, len(block), together):
            tokens = torch.from_numpy(block[start : start + together]).float().to(device)
            peak, place = strongest(sae.codes(tokens.flatten(0, 1)), len(tokens))
            peaks.append(peak[:, latents].cpu().numpy())
            places.append(place[:, latents].cpu().numpy())
    most_active, position = np.concatenate(peaks), np.concatenate(places)
    found = []
    for column, latent in enumerate(latents):
        order = np.argsort(-most_active[:, column], kind="stable")[:most]
        chosen = np.sort(order[most_active[order, column] > 0])
        if len(chosen):
            points = tokens_at(store, rows[chosen], position[chosen, column])
            found.append(_without_copies("latent", str(latent), points, chosen))
    return found


def _without_copies(kind: str, name: str, points: np.ndarray, images: np.ndarray) -> Unit:
    if len(points) > 1 and np.ptp(points, axis=0).any():
        own = distinct(points, 1)[0] == np.arange(len(points))
        points, images = points[own], images[own]
    else:
        points, images = points[:1], images[:1]
    return Unit(kind, name, points, images)
