"""Attribution along a path: one sum for integrated gradients, layers, and any other path.

The change of a function f from one end of a path gamma to the other is the integral of
grad f(gamma) . d gamma. With n steps, nodes m_k in the middle of each, and the path's own chords:

    attribution_i = sum_k df/dx_i(m_k) * (gamma((k + 1) / n) - gamma(k / n))_i

A straight line gives integrated gradients [1]_, at a layer's output those of the layer, a line of
blurred images Blur IG [2]_, a chain of real images discretised IG [3]_. Whatever the path,
attributions add up to f(end) - f(start); how far they are from it is the residual.

References
----------
.. [1] Sundararajan, Taly, Yan (2017). Axiomatic attribution for deep networks. arXiv:1703.01365.
.. [2] Xu, Venugopalan, Sundararajan (2020). Attribution in scale and space. arXiv:2004.03383.
.. [3] Sanyal, Ren (2021). Discretized integrated gradients. arXiv:2108.13654.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

FIRST_STEPS = 8
LEAST_CHANGE = 1e-6  # of f between the ends, that the residual is relative to

# (m, ...) points and which image each belongs to, (m,) -> f of each, (m,).
Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# Images (k,) and places on their paths, (s,) in [0, 1] -> points (k, s, ...).
Path = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# Gradients and moves of some steps, (k, s, ...) each -> what they come to, (k, ...).
Combine = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Integrated:
    """Attributions of n images along their paths.

    Attributes
    ----------
    attributions
        (n, ...), as the points are.
    change
        (n,) float64, f(end) - f(start).
    residual
        (n,) float64, |sum of attributions - change| / |change|.
    steps
        (n,) int64, how many were taken.
    """

    attributions: torch.Tensor
    change: torch.Tensor
    residual: torch.Tensor
    steps: torch.Tensor


def straight(start: torch.Tensor, end: torch.Tensor) -> Path:
    """The line from each start to each end, (n, ...) both; one start may serve all."""

    def points(images: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        first = start if len(start) == 1 else start[images]
        at = at.view(1, -1, *[1] * (end.ndim - 1)).to(end.dtype)
        return torch.lerp(first.unsqueeze(1), end[images].unsqueeze(1), at)

    return points


def chain(stations: torch.Tensor, of_image: torch.Tensor, lengths: torch.Tensor) -> Path:
    """Straight from station to station.

    Parameters
    ----------
    stations
        (m, ...), points that are passed.
    of_image
        (n, longest), which stations each path passes, in order; what follows its last is padding.
    lengths
        (n,), how many each passes, two at least.
    """

    def points(which: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        along = at[None] * (lengths[which, None] - 1)
        before = along.floor().long().minimum(lengths[which, None] - 2)
        share = (along - before).to(stations.dtype).view(len(which), -1, *[1] * (stations.ndim - 1))
        first = stations[of_image[which].gather(1, before)]
        then = stations[of_image[which].gather(1, before + 1)]
        return torch.lerp(first, then, share)

    return points


def integrate(
    function: Function,
    path: Path,
    count: int,
    device: torch.device,
    most_steps: int,
    tolerance: float,
    at_once: int,
) -> Integrated:
    """Attributions of all images, with as many steps as each needs.

    Steps double, for those images alone whose residual is above the tolerance, until they are
    `most_steps` or more. Memory: the result, and `at_once` points forth and back.

    Parameters
    ----------
    function
        Differentiable; each point's value depends on it alone.
    path
        Of `count` images.
    at_once
        Points that the function takes at once.
    """
    parts = [
        _integrate_part(function, path, part, most_steps, tolerance, at_once)
        for part in torch.arange(count, device=device).split(at_once)
    ]
    return Integrated(
        *(
            torch.cat([getattr(part, name) for part in parts])
            for name in ("attributions", "change", "residual", "steps")
        )
    )


def _integrate_part(
    function: Function,
    path: Path,
    images: torch.Tensor,
    most_steps: int,
    tolerance: float,
    at_once: int,
) -> Integrated:
    with torch.no_grad():
        ends = torch.tensor([0.0, 1.0], device=images.device)
        start, end = path(images, ends).unbind(1)
        change = function(end, images).double() - function(start, images).double()
    attributions = torch.zeros_like(end)
    residual = torch.full_like(change, torch.inf)
    taken = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    steps, open_ones = FIRST_STEPS, torch.arange(len(images), device=images.device)
    while len(open_ones) and steps <= most_steps:
        found = path_sum(function, path, images[open_ones], steps, at_once)
        missed = found.flatten(1).sum(1, dtype=torch.float64) - change[open_ones]
        attributions[open_ones], taken[open_ones] = found, steps
        residual[open_ones] = missed.abs() / change[open_ones].abs().clamp(min=LEAST_CHANGE)
        open_ones = open_ones[residual[open_ones] > tolerance]
        steps *= 2
    return Integrated(attributions, change, residual, taken)


def products(slopes: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
    """The attributions themselves."""
    return (slopes * moves).sum(1)


def path_sum(
    function: Function,
    path: Path,
    images: torch.Tensor,
    steps: int,
    at_once: int,
    combine: Combine = products,
) -> torch.Tensor:
    """The sum over a given number of steps, (k, ...), for images (k,), at most `at_once`."""
    total: torch.Tensor | None = None
    together = max(1, at_once // len(images))
    for part in torch.arange(steps, device=images.device).split(together):
        edges = torch.cat([part, part[-1:] + 1]) / steps
        moves = path(images, edges).diff(dim=1)
        nodes = path(images, (part + 0.5) / steps)
        points = _in_memory(nodes.flatten(0, 1).detach()).requires_grad_()
        which = images.repeat_interleave(len(part))
        [slopes] = torch.autograd.grad(function(points, which).sum(), points)
        found = combine(slopes.view(nodes.shape), moves)
        total = found if total is None else total + found
    assert total is not None
    return total


def _in_memory(points: torch.Tensor) -> torch.Tensor:
    """Images as convolutions on a CPU like them."""
    if points.ndim == 4:
        return points.contiguous(memory_format=torch.channels_last)
    return points.contiguous()
