"""A function of points whose slope is what a path costs, and what a path comes to.

The cost of a path x(t) in the landscape of L is

    C = integral ||grad L(x)|| ||x'(t)|| dt,

the length of the path where steps count by how much L may change there. It does not depend on how
fast the path is run through, nor on its direction, and C >= |L(1) - L(0)|: equal where the path
goes straight up or down the gradient all the way. C / |L(1) - L(0)| - 1 is its excess.
"""

from dataclasses import dataclass, replace

import torch

from tickle_core.models.path_integral import Function

LEAST_RISE = 1e-6  # of L between the ends, that costs are held against


@dataclass(frozen=True)
class Landscape:
    """L of points (m, ...) that belong to paths (m,).

    Attributes
    ----------
    function
        L; each point's value depends on it alone.
    at_once
        Points that it takes at once.
    bounds
        Least and largest coordinate of a valid point; None where all are.
    """

    function: Function
    at_once: int
    bounds: tuple[float, float] | None = None

    def look(self, points: torch.Tensor, which: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """L (m,) and its gradient (m, ...) at points."""
        values, gradients = [], []
        for some, paths in zip(points.split(self.at_once), which.split(self.at_once), strict=True):
            leaf = some.detach().requires_grad_()
            found = self.function(leaf, paths)
            gradients.append(torch.autograd.grad(found.sum(), leaf)[0])
            values.append(found.detach())
        return torch.cat(values), torch.cat(gradients)

    def shifted(self, first: int) -> "Landscape":
        """The same where paths are numbered from `first` on."""
        return replace(self, function=lambda points, which: self.function(points, which + first))

    def valid(self, points: torch.Tensor) -> torch.Tensor:
        """The nearest valid points."""
        return points if self.bounds is None else points.clamp(*self.bounds)


@dataclass(frozen=True)
class Scored:
    """What a path comes to.

    Attributes
    ----------
    cost, rise
        C, and |L(1) - L(0)|.
    length
        Euclidean.
    points
        (m, ...), in the middle of equal parts of each of its segments.
    at
        (m,) share of the length at which they are.
    """

    cost: float
    rise: float
    length: float
    points: torch.Tensor
    at: torch.Tensor

    @property
    def excess(self) -> float:
        """What the path costs beyond the least that any path can, in parts of that."""
        return self.cost / max(self.rise, LEAST_RISE) - 1


def score(landscape: Landscape, nodes: torch.Tensor, path: int, parts: int) -> Scored:
    """Cost of the path along straight segments between nodes (k + 1, ...).

    Nodes may hide what is expensive between them, so each segment is looked at in the middle of
    `parts` equal parts.
    """
    device = nodes.device
    moves = nodes.diff(dim=0)
    lengths = moves.flatten(1).double().norm(dim=1)
    shares = (torch.arange(parts, device=device) + 0.5) / parts
    steps = shares.view(1, -1, *[1] * (nodes.ndim - 1)).to(nodes)
    points = (nodes[:-1, None] + steps * moves[:, None]).flatten(0, 1)
    which = torch.full((len(points),), path, device=device)
    _, gradients = landscape.look(points, which)
    slopes = gradients.flatten(1).double().norm(dim=1)
    each = lengths.repeat_interleave(parts) / parts
    ends, _ = landscape.look(nodes[[0, -1]], which[:2])
    total = lengths.sum()
    before = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)[:-1]])
    at = (before[:, None] + lengths[:, None] * shares.double()).flatten() / total.clamp_min(1e-30)
    return Scored(
        float((slopes * each).sum()),
        float((ends[1].double() - ends[0].double()).abs()),
        float(total),
        points,
        at,
    )
