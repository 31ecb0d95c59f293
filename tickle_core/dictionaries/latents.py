"""What the latents of an SAE do on a stream of tokens: how often, how strongly, on which images."""

import numpy as np
import pandas as pd
import torch

from tickle_core.dictionaries.sae import Codes


class LatentStatistics:
    """Sums over tokens and the strongest images of every latent, while blocks pass by.

    Memory: some numbers per latent, and per block the strength of every latent in every image.
    """

    def __init__(self, latents: int, top: int, device: torch.device):
        self._tokens = 0
        self._fired, self._sum, self._squares, self._peak = torch.zeros(
            4, latents, dtype=torch.float64, device=device
        )
        self._top = TopImages(latents, top, device)

    def add(self, codes: Codes, image_ids: np.ndarray) -> torch.Tensor:
        """Take the latents of all tokens of some images, one image after the other.

        Returns
        -------
        torch.Tensor
            (images, latents), each latent's maximum over an image's positions.
        """
        latents, values = codes.pattern.columns, codes.values.double()
        self._tokens += codes.pattern.height
        self._fired.index_add_(0, latents, (values > 0).double())
        self._sum.index_add_(0, latents, values)
        self._squares.index_add_(0, latents, values.square())
        strengths, positions = strongest(codes, len(image_ids))
        self._peak = torch.maximum(self._peak, strengths.amax(0).double())
        self._top.add(image_ids, strengths, positions)
        return strengths

    def table(self) -> pd.DataFrame:
        """One row per latent: latent; density, the share of tokens on which it is active; mean,
        mean_square and max of its activation over all tokens. The decoder has unit norm, so the
        mean square is the energy that a latent carries.
        """
        means = {"density": self._fired, "mean": self._sum, "mean_square": self._squares}
        columns = {name: (sums / self._tokens).cpu().numpy() for name, sums in means.items()}
        numbers = np.arange(len(self._fired))
        return pd.DataFrame({"latent": numbers, **columns, "max": self._peak.cpu().numpy()})

    def top_images(self) -> pd.DataFrame:
        """The strongest images of every latent, as `TopImages.table` has them."""
        return self._top.table()


class TopImages:
    """The strongest images of every latent, kept as ids and values while blocks pass by."""

    def __init__(self, latents: int, top: int, device: torch.device):
        self._values = torch.zeros(top, latents, device=device)
        self._images = torch.full((top, latents), -1, dtype=torch.int64, device=device)
        self._positions = torch.full_like(self._images, -1)

    def add(self, image_ids: np.ndarray, strengths: torch.Tensor, positions: torch.Tensor) -> None:
        """Take the strengths (b, latents) of b images, and the positions where they occur."""
        images = torch.from_numpy(image_ids).to(strengths.device)[:, None].expand_as(positions)
        values = torch.cat([self._values, strengths])
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


def strongest(codes: Codes, images: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Maximum over an image's positions of every latent, and the first position that has it.

    Parameters
    ----------
    codes
        Of all tokens of `images` images, one image after the other.

    Returns
    -------
    tuple
        Both (images, latents); the position is meaningless where the maximum is 0.
    """
    pattern, values = codes.pattern, codes.values
    positions = pattern.height // images
    cells = pattern.rows // positions * pattern.width + pattern.columns
    size = images * pattern.width
    peaks = values.new_zeros(size).scatter_reduce(0, cells, values, "amax")
    position = pattern.rows % positions
    others = values < peaks[cells]
    places = torch.full((size,), positions, device=values.device)
    # An entry that is not the maximum proposes a position behind the last.
    places = places.scatter_reduce(0, cells, position.masked_fill(others, positions), "amin")
    return peaks.view(images, -1), places.view(images, -1)
