"""Positions as sites: what patching and tracing take as a whole from another image."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Sites:
    """Each position of a layer belongs to one site.

    Attributes
    ----------
    of_position
        (positions,) int64, the site of each. Prefix positions are sites of their own and come
        first; the blocks of the grid follow row by row.
    prefix
        What the prefix positions are: "class", "register".
    grid
        [height, width] in blocks, or None where the positions form no grid.
    joined
        [height, width] of a block in positions; those at the right and bottom may be smaller.
        Runs of positions that form no grid are blocks of height 1.
    """

    of_position: np.ndarray
    prefix: list[str]
    grid: list[int] | None
    joined: list[int]

    def masks(self, device: torch.device) -> torch.Tensor:
        """Which positions each site has, (sites, positions) bool."""
        sites = torch.arange(int(self.of_position.max()) + 1, device=device)
        return sites[:, None] == torch.from_numpy(self.of_position).to(device)


def find_sites(positions: int, prefix: list[str], grid: list[int] | None, most: int) -> Sites:
    """Join neighbouring positions into the smallest blocks of which there are few enough.

    Parameters
    ----------
    prefix, grid
        As the store has them.
    most
        Sites at most. Prefix positions are never joined, and one block there is in any case.
    """
    height, width = grid or [1, positions - len(prefix)]
    a = b = 1
    while -(-height // a) * -(-width // b) > max(1, most - len(prefix)):
        if b < width and (b <= a or a == height):
            b += 1
        else:
            a += 1
    rows, columns = np.indices((height, width))
    blocks = [-(-height // a), -(-width // b)]
    of_patch = rows // a * blocks[1] + columns // b
    of_position = np.concatenate([np.arange(len(prefix)), len(prefix) + of_patch.ravel()])
    return Sites(of_position, list(prefix), blocks if grid else None, [a, b])
