"""Whether a map is right: the prediction while cells are taken away, or put in, in its order.

Deletion paints the strongest cells in the mean colour, first those that the map ranks highest: a
faithful map makes the prediction's probability fall soon. Insertion puts them into the blurred
image: it rises soon. Both are areas under the curve of the probability of the class that the
untouched image is given [1]_.

References
----------
.. [1] Petsiuk, Das, Saenko (2018). RISE: randomized input sampling for explanation.
   arXiv:1806.07421.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from tickle_core.attribution.subject import Subject


@dataclass(frozen=True)
class Curves:
    """Probability of the predicted class at each share of the cells, (n, shares)."""

    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def areas(self) -> dict[str, np.ndarray]:
        """By kind, the area under each image's curve, (n,)."""
        return {
            name: np.trapezoid(curve, dx=1 / (curve.shape[1] - 1), axis=1)
            for name, curve in (("deletion", self.deletion), ("insertion", self.insertion))
        }


def on_cells(maps: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Maps (n, h, w) brought to cells (n, rows, columns): their means, or interpolated."""
    tensor = torch.from_numpy(maps)[:, None]
    if maps.shape[1] >= cells[0] and maps.shape[2] >= cells[1]:
        return F.adaptive_avg_pool2d(tensor, cells)[:, 0].numpy()
    return F.interpolate(tensor, cells, mode="bilinear", align_corners=False)[:, 0].numpy()


def cell_grid(size: tuple[int, int], most: int) -> tuple[int, int]:
    """(rows, columns) of the cells of images of a size, at most `most` a side."""
    return min(size[0], most), min(size[1], most)


@torch.inference_mode()
def curves(
    subject: Subject,
    rows: np.ndarray,
    orders: np.ndarray,
    cells: tuple[int, int],
    removals: int,
    mean: torch.Tensor,
    blurred: torch.Tensor,
) -> Curves:
    """Take cells away, and put them in.

    Parameters
    ----------
    rows
        (m,), which of the subject's images.
    orders
        (m, cells), the cells of each from the one that counts most to the one that counts least.
    mean, blurred
        What cells are painted in (1, C, H, W), and what they are put into (n, C, H, W).
    """
    rank = torch.from_numpy(orders.argsort(1))
    height, width = subject.inputs.shape[2:]
    down, along = (
        torch.arange(side) * count // side
        for side, count in zip((height, width), cells, strict=True)
    )
    # The rank of each pixel's cell, (m, 1, H, W).
    ranks = rank.view(-1, *cells)[:, down][:, :, along][:, None].to(subject.inputs.device)
    counts = np.rint(np.linspace(0, orders.shape[1], removals + 1)).astype(int)
    found = [np.empty((len(rows), len(counts))) for _ in range(2)]
    for place, count in enumerate(counts.tolist()):
        chosen = torch.arange(len(rows), device=subject.inputs.device)
        for part in chosen.split(subject.at_once):
            own = torch.from_numpy(rows).to(part.device)[part]
            taken = ranks[part] < count
            inputs = subject.inputs[own]
            classes = subject.classes[own, None]
            changed = torch.where(taken, mean, inputs), torch.where(taken, inputs, blurred[own])
            for curve, points in zip(found, changed, strict=True):
                points = points.contiguous(memory_format=torch.channels_last)
                chances = subject.network(points).softmax(1)
                curve[part.cpu().numpy(), place] = chances.gather(1, classes)[:, 0].cpu().numpy()
    return Curves(*found)
