"""Balls around images, in which an attack may move: L-inf and L2, within valid pixels.

Images are (n, C, H, W) with pixels in [0, 1], and clean ones have 8 bits: multiples of 1/255.
"""

from dataclasses import dataclass

import torch

from tickle_core.params.attack import Norm

LEVELS = 255  # steps between black and white
ROUNDING = 1e-12  # of squared lengths in float64, where a ball ends at whole levels


@dataclass(frozen=True)
class Ball:
    """All images no further than `eps` from a clean one, in the norm of a vector of pixels."""

    norm: Norm
    eps: float

    def uphill(self, gradient: torch.Tensor) -> torch.Tensor:
        """The direction of unit norm along which a function with this gradient grows most.

        Zero where the gradient is. Before its norm is taken, a gradient is divided by its largest
        entry: the squares of small ones would vanish.
        """
        if self.norm == "linf":
            return gradient.sign()
        largest = _of_images(gradient.abs().flatten(1).amax(1))
        scaled = gradient / torch.where(largest > 0, largest, 1)
        norms = _of_images(scaled.flatten(1).norm(dim=1))
        return scaled / torch.where(norms > 0, norms, 1)

    def project(self, clean: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
        """Valid images in the ball that others (n, C, H, W) lead to.

        In L2 they are first drawn towards the clean ones, then cut to valid pixels: not quite the
        nearest of those that are both, but hardly any attack could tell.
        """
        if self.norm == "linf":
            moved = torch.clamp(moved, clean - self.eps, clean + self.eps)
        else:
            change = moved - clean
            norms = _of_images(change.flatten(1).norm(dim=1))
            moved = clean + change * (self.eps / norms.clamp(min=max(self.eps, 1e-12)))
        # Cutting off what is no pixel brings each of them nearer to the clean one.
        return moved.clamp(0, 1)

    def anywhere(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Uniform draws from the ball, cut to valid pixels."""
        if self.norm == "linf":
            drawn = torch.rand(clean.shape, generator=generator) * 2 - 1
            return self.project(clean, clean + self.eps * drawn.to(clean))
        drawn = torch.randn(clean.shape, generator=generator)
        # The share of a ball within radius r grows with the d-th power of r.
        radii = torch.rand(len(clean), generator=generator) ** (1 / clean[0].numel())
        drawn = drawn / _of_images(drawn.flatten(1).norm(dim=1)) * _of_images(radii)
        return self.project(clean, clean + self.eps * drawn.to(clean))

    def surface(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Random images as far from the clean ones as the ball allows.

        Pixels that would leave the valid range change the other way, so that noise is no smaller
        than what an attack adds.
        """
        drawn = torch.randn(clean.shape, generator=generator).to(clean)
        change = inward(clean, self.eps * self.uphill(drawn))
        return self.project(clean, clean + change)

    def to_8_bits(self, clean: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
        """Images of the ball (n, C, H, W) as uint8 that lie in it exactly.

        Each change is rounded to the nearest level; in L2, where that may lead out of the ball,
        only as many of the largest remainders are rounded up as it has room for.
        """
        device = clean.device
        # In double precision, which not every device has.
        moved, clean = moved.cpu().double(), clean.cpu().double()
        change = (moved - clean) * LEVELS
        kept = change.trunc()
        rest = (change - kept).abs()
        up = rest >= 0.5
        if self.norm == "l2":
            whole = (self.eps * LEVELS) ** 2 * (1 + ROUNDING)
            room = whole - kept.flatten(1).square().sum(1, keepdim=True)
            cost = torch.where(up, 2 * kept.abs() + 1, 0).flatten(1)
            order = rest.flatten(1).argsort(dim=1, descending=True, stable=True)
            fits = cost.gather(1, order).cumsum(1) <= room
            up &= torch.zeros_like(fits).scatter_(1, order, fits).view(up.shape)
        levels = (clean * LEVELS).round() + kept + up * change.sign()
        return levels.clamp(0, LEVELS).to(torch.uint8).to(device)


def inward(clean: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """The same change, but for the sign of pixels that would leave the valid range."""
    moved = clean + change
    return torch.where((moved < 0) | (moved > 1), -change, change)


def _of_images(values: torch.Tensor) -> torch.Tensor:
    """(n,) as (n, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)
