"""What pictures are kept from: the terms of R(x), and likeness to others of the same unit."""

import torch
from torch.nn import functional as F

from tickle_core.params.features import Features

GREY = 0.5


def total(pictures: torch.Tensor, patches: torch.Tensor, section: Features) -> torch.Tensor:
    """R(x) = l2 * L2(x) + total_variation * TV(x) + diversity * similarity, of each picture: (n,).

    Parameters
    ----------
    pictures
        (n, channels, h, w) in [0, 1].
    patches
        (n, positions, d), what they excite; as in `similarity`.
    section
        Has the weights; terms without any are left out.
    """
    terms = pictures.new_zeros(len(pictures))
    if section.l2:
        terms = terms + section.l2 * l2(pictures)
    if section.total_variation:
        terms = terms + section.total_variation * total_variation(pictures)
    if section.diversity:
        terms = terms + section.diversity * similarity(patches, section.pictures)
    return terms


def l2(pictures: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of the pixels (n, channels, h, w) from mid-grey: (n,)."""
    return (pictures - GREY).square().flatten(1).mean(1)


def total_variation(pictures: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbouring pixels, (n, channels, h, w) -> (n,).

    Neighbours are in a row or in a column: the anisotropic form of Rudin et al. 1992. A
    checkerboard of black and white has 1, a picture of one colour 0.
    """
    down = pictures.diff(dim=2).abs().flatten(1)
    right = pictures.diff(dim=3).abs().flatten(1)
    return torch.cat([down, right], 1).mean(1)


def similarity(tokens: torch.Tensor, pictures: int) -> torch.Tensor:
    """How much the pictures of one unit are alike in what they excite.

    The mean over the other pictures of the unit of the cosine between Gram matrices A^T A of
    their tokens A, which tell textures apart wherever in the picture they are (Olah et al. 2017;
    Gatys et al. 2015, arXiv:1505.07376). With a single position, of the cosine between the tokens
    themselves.

    Parameters
    ----------
    tokens
        (units * pictures, positions, d), the pictures of a unit one after the other; without
        prefix tokens.
    pictures
        Of each unit. Memory: a square matrix per pair of them, as wide as there are positions or
        channels, whichever are fewer.

    Returns
    -------
    torch.Tensor
        (units * pictures,); 0 where a unit has one picture.
    """
    if pictures == 1:
        return tokens.new_zeros(len(tokens))
    found = cosines(tokens.unflatten(0, (-1, pictures)))
    alone = found.diagonal(dim1=1, dim2=2)
    return ((found.sum(2) - alone) / (pictures - 1)).flatten()


def cosines(tokens: torch.Tensor) -> torch.Tensor:
    """Cosines as in `similarity` between all pictures of a unit.

    (units, pictures, positions, d) -> (units, pictures, pictures)
    """
    if tokens.shape[2] == 1:
        unit = F.normalize(tokens.squeeze(2), dim=-1)
        return unit @ unit.mT
    inner = _gram_products(tokens)
    norms = inner.diagonal(dim1=1, dim2=2).clamp_min(1e-12).sqrt()
    return inner / (norms[:, :, None] * norms[:, None])


def _gram_products(tokens: torch.Tensor) -> torch.Tensor:
    """<A_i^T A_i, A_j^T A_j> within each unit: (units, pictures, positions, d) -> (units, p, p)."""
    # Cosines do not change, and squares of large activations stay finite.
    tokens = tokens / tokens.square().mean((2, 3), keepdim=True).clamp_min(1e-30).sqrt()
    if tokens.shape[2] < tokens.shape[3]:  # ||A_i A_j^T||^2 is the same, and smaller
        return torch.einsum("uipd,ujqd->uijpq", tokens, tokens).square().sum((3, 4))
    grams = (tokens.mT @ tokens).flatten(2)
    return grams @ grams.mT
