"""Ways from an image to one of another class, or over to that class.

straight   the straight line
graph      along nearest neighbours, straight from one real image to the next
string     of least cost: the string method, from the cheaper one of the two above
attack     the trajectory of PGD towards the other class, up to the first image that is taken for
           it: it ends elsewhere than the others

The first three lead through pixels or through a layer's activations, the last through pixels.
"""

from dataclasses import dataclass

import torch

from tickle_core.attacks import pgd
from tickle_core.attacks.balls import Ball
from tickle_core.attacks.goals import Goal
from tickle_core.attacks.pgd import Network
from tickle_core.path import string
from tickle_core.path.landscape import Landscape, score

WAYS = ("string", "straight", "graph", "attack")
PARTS = 4  # of a segment, that the cheaper of two paths is told by
RELAX_BYTES = 512 * 2**20  # that relaxing takes, in so many copies of all nodes
COPIES = 16


# Of each pair its nodes (k + 1, ...), or None where there is no such way.
Lines = list[torch.Tensor | None]


@dataclass(frozen=True)
class Found:
    """Ways between p pairs of points.

    Attributes
    ----------
    strings
        Those of least cost.
    coarser
        The same with half as many segments: whether they have settled.
    straight, graph
        The other two.
    """

    strings: list[torch.Tensor]
    coarser: list[torch.Tensor]
    straight: list[torch.Tensor]
    graph: Lines

    @property
    def nodes(self) -> dict[str, Lines]:
        """By way."""
        return {"string": [*self.strings], "straight": [*self.straight], "graph": self.graph}


def between(
    landscape: Landscape,
    stations: list[torch.Tensor],
    has_graph: list[bool],
    segments: int,
    steps: int,
) -> Found:
    """The straight line, the way through real points and the string of each pair.

    Parameters
    ----------
    stations
        Of each pair, (m, ...) the points of its way along the graph, or its ends where it has none.
    has_graph
        Which pairs have one.
    """
    straight = [passed[[0, -1]] for passed in stations]
    starts = []
    for pair, passed in enumerate(stations):
        line = string.spread(straight[pair][None], segments)[0]
        starts.append(_cheaper(landscape, pair, line, passed))
    spread = [string.spread(start[None], segments)[0] for start in starts]
    together = max(1, RELAX_BYTES // (spread[0].numel() * 8 * COPIES))
    strings: list[torch.Tensor] = []
    coarser: list[torch.Tensor] = []
    for first in range(0, len(spread), together):
        some = torch.stack(spread[first : first + together])
        # The pairs of a part are numbered from 0 on; the landscape knows them by their own numbers.
        found = list(string.relax(landscape.shifted(first), some, segments, steps))
        coarser += found[-2]
        strings += found[-1]
    graph = [
        passed if reached else None for passed, reached in zip(stations, has_graph, strict=True)
    ]
    # Nodes may have cut the corners of the way that a string starts from.
    strings, coarser = (
        [
            _cheaper(landscape, pair, *both)
            for pair, both in enumerate(zip(each, starts, strict=True))
        ]
        for each in (strings, coarser)
    )
    return Found(strings, coarser, straight, graph)


def _cheaper(
    landscape: Landscape, pair: int, one: torch.Tensor, other: torch.Tensor
) -> torch.Tensor:
    """Of two paths, by their nodes, the one that costs less."""
    costs = [score(landscape, each, pair, PARTS).cost for each in (one, other)]
    return one if costs[0] <= costs[1] else other


def attack(
    network: Network,
    starts: torch.Tensor,
    classes: torch.Tensor,
    ball: Ball,
    steps: int,
    step: float,
) -> Lines:
    """The iterates of PGD from images (p, C, H, W) towards classes (p,), (k + 1, C, H, W) each.

    Up to the first that is taken for the class; None where none is.
    """
    goal, moved = Goal(classes, targeted=True), starts
    nodes, leads = [starts], []
    for taken in range(steps + 1):
        logits, gradient = pgd.climb(network, moved, goal)
        leads.append(goal.lead(logits))
        if taken < steps:
            moved = ball.project(starts, moved + step * ball.uphill(gradient))
            nodes.append(moved)
    there = torch.stack(leads, 1) > 0
    trajectories = torch.stack(nodes, 1)
    return [
        trajectories[pair, : int(reached.int().argmax()) + 1] if reached.any() else None
        for pair, reached in enumerate(there)
    ]
