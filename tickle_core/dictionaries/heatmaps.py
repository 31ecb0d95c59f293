"""Where in its strongest images a latent is active.

Kept for every latent and image, the maps would be many times the size of the activations: only
those of the strongest latents are.
"""

import numpy as np
import pandas as pd
import torch

from tickle_core import arrays
from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries.limits import strongest
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.errors import TickleError


def of_strongest(
    sae: SparseAutoencoder,
    store: ActivationStore,
    latents: pd.DataFrame,
    top_images: pd.DataFrame,
    count: int,
) -> pd.DataFrame:
    """Heat maps of the `count` strongest latents over their top images.

    Parameters
    ----------
    latents
        latent, density, mean_square.
    top_images
        latent, rank, image_id.

    Returns
    -------
    pd.DataFrame
        latent, rank, activations: (positions,) float32, as `heat_maps` has it.
    """
    shown = top_images[top_images["latent"].isin(strongest(latents, count)["latent"])]
    maps = heat_maps(sae, store, shown["image_id"].to_numpy(), shown["latent"].to_numpy())
    return shown[["latent", "rank"]].assign(activations=list(maps)).reset_index(drop=True)


def heat_maps(
    sae: SparseAutoencoder, store: ActivationStore, image_ids: np.ndarray, latents: np.ndarray
) -> np.ndarray:
    """The activation of one latent at each position of one image, for n pairs of them.

    Of the store, the chunks that hold these images are read, once each. Memory: one chunk, the
    latents of one image, and the maps.

    Parameters
    ----------
    image_ids, latents
        (n,) each; pair i asks for latent latents[i] on image image_ids[i].

    Returns
    -------
    np.ndarray
        (n, positions) float32, none negative; class and register tokens come before the patches.

    Raises
    ------
    TickleError
        If the store lacks an image, the SAE a latent, or the two are of different layers.
    """
    image_ids, latents = np.asarray(image_ids, np.int64), np.asarray(latents, np.int64)
    rows = _rows(sae, store, image_ids, latents)
    maps = np.zeros((len(rows), store.tokens.shape[1]), np.float32)
    size = store.tokens.chunks[0]
    for chunk in np.unique(rows // size).tolist():
        start = chunk * size
        acts = arrays.read_rows(store.tokens, start, min(start + size, len(store.image_ids)))
        for row in np.unique(rows[rows // size == chunk]):
            tokens = torch.from_numpy(store.decode(acts[row - start])).float().to(sae.b_dec.device)
            codes = sae.codes(tokens)
            for pair in np.flatnonzero(rows == row):
                found = codes.pattern.columns == int(latents[pair])
                rows_of = codes.pattern.rows[found].cpu().numpy()
                maps[pair, rows_of] = codes.values[found].cpu().numpy()
    return maps


def _rows(
    sae: SparseAutoencoder, store: ActivationStore, image_ids: np.ndarray, latents: np.ndarray
) -> np.ndarray:
    """The store's rows of the images, (n,), once everything that is asked for exists."""
    count, d = sae.w_enc.shape
    if d != store.tokens.shape[2]:
        raise TickleError(
            f"{store.path} has tokens of {store.tokens.shape[2]} channels, but the SAE takes {d}: "
            "give the SAE of this layer"
        )
    strange = latents[(latents < 0) | (latents >= count)]
    if len(strange):
        raise TickleError(f"the SAE has latents 0 to {count - 1} and no latent {strange[0]}")
    missing = image_ids[~np.isin(image_ids, store.image_ids)]
    if len(missing):
        raise TickleError(
            f"{store.path} holds no image {missing[0]}: give ids of images that were extracted"
        )
    return np.searchsorted(store.image_ids, image_ids)
