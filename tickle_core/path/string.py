"""Paths of least cost between two points: the string method.

A path of nodes at equal distances moves by what its cost falls fastest along, across its own
direction, and its nodes are then spread evenly again [1]_. For the cost, the integral of phi |x'|
with phi = ||grad L||, that is

    dx = -(grad phi) across the path + phi kappa,    kappa the curvature of the path.

grad phi is the Hessian of L times the direction of its gradient. Networks of ReLUs are linear
between kinks, so their Hessian is 0 nearly everywhere and says nothing; it is therefore taken as a
difference of gradients at some distance, half of what nodes are apart, which sees the kinks and
needs no second derivative. The term with kappa is taken implicitly, which allows long steps.
Nodes may hide between them what is expensive: few nodes come first, and their number doubles.

References
----------
.. [1] E, Ren, Vanden-Eijnden (2007). Simplified and improved string method for computing the
   minimum energy paths in barrier-crossing events. J. Chem. Phys. 126.
"""

from collections.abc import Iterator

import torch

from tickle_core.path.landscape import Landscape

FIRST_SEGMENTS = 4
FIRST_STEP = 0.5
LONGER, SHORTER = 1.3, 0.4  # steps, after one that lowered the cost and one that did not
FARTHEST = 0.5  # that a node moves across the path, in parts of the distance between nodes
TINY = 1e-12


def relax(
    landscape: Landscape, nodes: torch.Tensor, segments: int, steps: int
) -> Iterator[torch.Tensor]:
    """Paths of ever lower cost between the same ends as those of nodes (p, k + 1, ...).

    At each number of segments they start from what was found with fewer or, where that has cut
    corners, from the given paths, whichever costs less. Each step takes six gradients per segment.
    Memory: some 16 times the nodes of all paths, in float64.

    Yields
    ------
    torch.Tensor
        (p, s + 1, ...), after `steps` steps each with s = FIRST_SEGMENTS, twice as many, and so on
        up to `segments`.
    """
    given, count = nodes, min(FIRST_SEGMENTS, segments)
    while True:
        nodes = _relax(
            landscape, _cheaper(landscape, spread(nodes, count), spread(given, count)), steps
        )
        yield nodes
        if count == segments:
            return
        count = min(2 * count, segments)


def spread(nodes: torch.Tensor, segments: int) -> torch.Tensor:
    """Nodes at equal distances along the same paths, (p, segments + 1, ...); ends stay."""
    flat = nodes.flatten(2)
    lengths = flat.diff(dim=1).double().norm(dim=2)
    places = torch.cat([lengths.new_zeros(len(nodes), 1), lengths.cumsum(1)], 1)
    wanted = places[:, -1:] * torch.linspace(0, 1, segments + 1, device=nodes.device).double()
    after = torch.searchsorted(places, wanted.contiguous(), right=True)
    after = after.clamp(1, flat.shape[1] - 1)
    low, high = places.gather(1, after - 1), places.gather(1, after)
    share = ((wanted - low) / (high - low).clamp_min(TINY)).clamp(0, 1).to(nodes)
    index = after[..., None].expand(-1, -1, flat.shape[2])
    found = torch.lerp(flat.gather(1, index - 1), flat.gather(1, index), share[..., None])
    found[:, 0], found[:, -1] = flat[:, 0], flat[:, -1]
    return found.reshape(len(nodes), segments + 1, *nodes.shape[2:])


def _cheaper(landscape: Landscape, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Of each path the nodes, (p, k + 1, ...), that cost less."""
    costs = [_cost(each, _look(landscape, each)) for each in (one, other)]
    return torch.where((costs[0] <= costs[1]).view(-1, *[1] * (one.ndim - 1)), one, other)


def _relax(landscape: Landscape, nodes: torch.Tensor, steps: int) -> torch.Tensor:
    step = torch.full((len(nodes),), FIRST_STEP, dtype=torch.float64, device=nodes.device)
    best, seen = nodes, _look(landscape, nodes)
    least = _cost(nodes, seen)
    for _ in range(steps):
        moved = _move(landscape, best, seen, step)
        new = _look(landscape, moved)
        cost = _cost(moved, new)
        lower = cost < least
        place = lower.view(-1, *[1] * (nodes.ndim - 1))
        best, seen = torch.where(place, moved, best), torch.where(place, new, seen)
        least = torch.where(lower, cost, least)
        step = step * torch.where(lower, LONGER, SHORTER)
    return best


def _look(landscape: Landscape, nodes: torch.Tensor) -> torch.Tensor:
    """Gradients at all nodes and in the middle between them, in turn: (p, 2 k + 1, ...)."""
    points = with_middles(nodes)
    return landscape.look(points.flatten(0, 1), _paths(points))[1].reshape(points.shape)


def with_middles(nodes: torch.Tensor) -> torch.Tensor:
    """Nodes (p, k + 1, ...), and between each two of them their mean: (p, 2 k + 1, ...)."""
    middles = (nodes[:, 1:] + nodes[:, :-1]) / 2
    pairs = torch.stack([nodes[:, :-1], middles], 2).flatten(1, 2)
    return torch.cat([pairs, nodes[:, -1:]], 1)


def _cost(nodes: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Cost (p,) by Simpson's rule."""
    slopes = seen.flatten(2).double().norm(dim=2)
    lengths = nodes.flatten(2).diff(dim=1).double().norm(dim=2)
    ends = slopes[:, 0:-1:2] + slopes[:, 2::2]
    return ((ends + 4 * slopes[:, 1::2]) / 6 * lengths).sum(1)


def _move(
    landscape: Landscape, nodes: torch.Tensor, seen: torch.Tensor, step: torch.Tensor
) -> torch.Tensor:
    """One step of each path, with nodes at equal distances again."""
    points = with_middles(nodes)
    flat, gradient = points.flatten(2).double(), seen.flatten(2).double()
    apart = nodes.flatten(2).double().diff(dim=1).norm(dim=2).mean(1).view(-1, 1, 1)
    phi = gradient.norm(dim=2, keepdim=True)
    uphill = gradient / phi.clamp_min(TINY)
    reach = apart / 2

    def slopes_at(there: torch.Tensor) -> torch.Tensor:
        asked = there.to(nodes).reshape(points[:, 1:-1].shape)
        found = landscape.look(asked.flatten(0, 1), _paths(asked))[1]
        return found.reshape(there.shape).double()

    inner, direction = flat[:, 1:-1], uphill[:, 1:-1]
    change = slopes_at(inner + reach * direction) - slopes_at(inner - reach * direction)
    rise = change / (2 * reach).clamp_min(TINY)
    # What a node feels: itself and, as they move along by half, the middles beside it.
    felt = (rise[:, 1:-1:2] + rise[:, 0:-2:2] + rise[:, 2::2]) / 3
    felt_phi = (phi[:, 2:-2:2] + phi[:, 1:-3:2] + phi[:, 3:-1:2]) / 3
    ends = nodes.flatten(2).double()
    tangent = ends[:, 2:] - ends[:, :-2]
    tangent = tangent / tangent.norm(dim=2, keepdim=True).clamp_min(TINY)
    across = felt - (felt * tangent).sum(2, keepdim=True) * tangent
    # In units in which the term with kappa moves a node by `step` times what it is off a line.
    pace = step / felt_phi.mean((1, 2)).clamp_min(TINY)
    push = pace.view(-1, 1, 1) * apart.square() * across
    farthest = FARTHEST * apart
    push = push * (farthest / push.norm(dim=2, keepdim=True).clamp_min(TINY)).clamp(max=1)
    weight = pace.view(-1, 1) * felt_phi.squeeze(2)
    system = torch.diag_embed(1 + 2 * weight)
    system -= torch.diag_embed(weight[:, 1:], -1) + torch.diag_embed(weight[:, :-1], 1)
    wanted = ends[:, 1:-1] - push
    wanted[:, 0] += weight[:, :1] * ends[:, 0]
    wanted[:, -1] += weight[:, -1:] * ends[:, -1]
    moved = nodes.clone()
    moved[:, 1:-1] = torch.linalg.solve(system, wanted).to(nodes).reshape(nodes[:, 1:-1].shape)
    return spread(landscape.valid(moved), nodes.shape[1] - 1)


def _paths(nodes: torch.Tensor) -> torch.Tensor:
    """The path that each of nodes (p, k, ...) belongs to, (p * k,)."""
    paths = torch.arange(len(nodes), device=nodes.device)
    return paths.repeat_interleave(nodes.shape[1])
