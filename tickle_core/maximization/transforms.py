"""Small random changes of a picture before each step, which it then has to be robust to.

Zoom, rotation and shift are one affine map, so that the picture is resampled once and not by each.
Everything outside the picture is mid-grey, and the result has the picture's own size, which
networks of a fixed input size need.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from tickle_core.params.features import Features

GREY = 0.5
DRAWS = 4  # numbers per picture and step: shift down, shift to the right, zoom, rotation


def draw(randomness: Sequence[np.random.Generator], steps: int) -> torch.Tensor:
    """Numbers that decide the transforms of each picture and step.

    Returns
    -------
    torch.Tensor
        (steps, n, 4), uniform in [0, 1).
    """
    drawn = np.stack([each.random((steps, DRAWS)) for each in randomness], axis=1)
    return torch.from_numpy(drawn).float()


def transform(pictures: torch.Tensor, section: Features, drawn: torch.Tensor) -> torch.Tensor:
    """Pad, zoom, rotate and shift each picture by its own numbers.

    Padding puts a grey border of `pad` times the side around the picture and shrinks both to the
    picture's size; zooms are from 1 - scale to 1 + scale, rotations up to `rotate` degrees to
    either side, shifts up to `jitter` times the side in whole pixels.

    Parameters
    ----------
    pictures
        (n, channels, h, w) in [0, 1].
    drawn
        (n, 4) in [0, 1): one step of `draw`.

    Returns
    -------
    torch.Tensor
        As `pictures`; the very same if there is nothing to do.
    """
    if not (section.pad or section.jitter or section.scale or section.rotate):
        return pictures
    size = torch.tensor(pictures.shape[2:])
    farthest = (section.jitter * size).round()
    shifts = (drawn[:, :2] * (2 * farthest + 1)).floor() - farthest
    zooms = (1 + section.scale * (2 * drawn[:, 2] - 1)) / (1 + 2 * section.pad)
    angles = section.rotate * (2 * drawn[:, 3] - 1)
    return resample(pictures, shifts, zooms, angles)


def resample(
    pictures: torch.Tensor, shifts: torch.Tensor, zooms: torch.Tensor, angles: torch.Tensor
) -> torch.Tensor:
    """Zoom and rotate pictures about their centre, then shift them; bilinear, grey outside.

    Parameters
    ----------
    pictures
        (n, channels, h, w) in [0, 1].
    shifts
        (n, 2) in pixels, down and to the right.
    zooms
        (n,), all positive.
    angles
        (n,) in degrees, counter-clockwise as seen.

    Returns
    -------
    torch.Tensor
        (n, channels, h, w), the area outside the pictures mid-grey.
    """
    height, width = pictures.shape[2:]
    radians = angles * (math.pi / 180)
    cos, sin = radians.cos() / zooms, radians.sin() / zooms
    # From a place in the result to the place in the picture that is seen there: (column, row) in
    # pixels from the centre, the row pointing down.
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    back = -(turn @ shifts.flip(1)[..., None])
    half = torch.tensor([width / 2, height / 2])
    # The grid has -1 and 1 at the picture's edges.
    theta = torch.cat([turn * half, back], -1) / half[:, None]
    theta = theta.to(pictures)
    grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    seen = F.grid_sample(pictures - GREY, grid, padding_mode="zeros", align_corners=False)
    return seen + GREY
