"""A picture as free numbers that ascent can change: pixels, or Fourier coefficients.

    pixel      x = sigmoid(M c)
    fourier    x = sigmoid(M F^-1(c / max(f, 1 / max(h, w))) / 4)

f is the spatial frequency in cycles per pixel, F^-1 the orthonormal inverse of the real 2-D
Fourier transform and M the colours that the data set mixes (`tickle_core.maximization.colors`).
Equal steps in c then change low frequencies most, as in natural images, and colours by how much
they vary there (Olah et al. 2017, "Feature Visualization", doi:10.23915/distill.00007).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np
import torch

from tickle_core.maximization.objectives import Objective

START_SD = 0.01
DAMPING = 4.0  # steps of Adam are about equal for all c; this keeps pixels from saturating early


@dataclass(frozen=True)
class Canvas:
    """What pictures are made of.

    Attributes
    ----------
    size
        (h, w) of the pictures, in pixels.
    channels
        1 or 3.
    colors
        (channels, channels), the M above; None leaves the channels as they are.
    """

    parametrization: Literal["fourier", "pixel"]
    size: tuple[int, int]
    channels: int
    colors: torch.Tensor | None = None


def frequencies(size: tuple[int, int]) -> torch.Tensor:
    """Spatial frequency of every coefficient of a real 2-D Fourier transform.

    Returns
    -------
    torch.Tensor
        (h, w // 2 + 1), in cycles per pixel.
    """
    height, width = size
    return torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width))


def generators(seed: int, objective: Objective, copies: int) -> list[np.random.Generator]:
    """The randomness of each picture of one unit, whatever else is in its batch."""
    family = crc32(objective.family.encode())
    place = -1 if objective.position is None else objective.position
    entropy = [seed, family, objective.unit, place + 1]
    return [np.random.default_rng([*entropy, copy]) for copy in range(copies)]


def start(canvas: Canvas, randomness: Sequence[np.random.Generator]) -> torch.Tensor:
    """Free numbers of random pictures close to mid-grey, one picture of each generator.

    Returns
    -------
    torch.Tensor
        (n, channels, h, w), or (n, channels, h, w // 2 + 1, 2) for real and imaginary parts;
        float32, on the CPU.
    """
    shape: tuple[int, ...] = (canvas.channels, *canvas.size)
    if canvas.parametrization == "fourier":
        shape = (canvas.channels, *frequencies(canvas.size).shape, 2)
    drawn = [each.standard_normal(shape, dtype=np.float32) for each in randomness]
    return torch.from_numpy(np.stack(drawn)) * START_SD


def render(canvas: Canvas, coefficients: torch.Tensor) -> torch.Tensor:
    """Free numbers, as `start` gives them -> pictures (n, channels, h, w) in [0, 1]."""
    x = coefficients
    if canvas.parametrization == "fourier":
        scale = frequencies(canvas.size).clamp_min(1 / max(canvas.size)).reciprocal() / DAMPING
        spectrum = torch.view_as_complex(coefficients) * scale.to(coefficients.device)
        x = torch.fft.irfft2(spectrum, s=canvas.size, norm="ortho")
    if canvas.colors is not None:
        x = torch.einsum("kc,nchw->nkhw", canvas.colors.to(x), x)
    return x.sigmoid()


def quantize(pictures: torch.Tensor) -> np.ndarray:
    """Pictures (n, channels, h, w) in [0, 1] -> images (n, h, w, channels), uint8, rounded."""
    values = (pictures.detach() * 255).round().to(torch.uint8)
    return values.permute(0, 2, 3, 1).cpu().numpy()
