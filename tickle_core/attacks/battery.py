"""All attacks on a batch of images: FGSM and PGD in every ball, and noise of the same size."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from tickle_core.attacks import pgd
from tickle_core.attacks.balls import LEVELS, Ball
from tickle_core.attacks.goals import Goal
from tickle_core.attacks.pgd import Attacked, Network
from tickle_core.params.attack import Attack


@dataclass(frozen=True)
class Outcome:
    """What a ball came to on n images.

    Attributes
    ----------
    fgsm, noise
        (n,) bool, whether its images, with 8 bits, reach the goal: that of FGSM, any of noise.
    pgd
        The best that PGD found in this ball or a smaller one.
    """

    ball: Ball
    fgsm: torch.Tensor
    pgd: Attacked
    noise: torch.Tensor


def attack(
    network: Network,
    clean: torch.Tensor,
    goal: Goal,
    balls: list[Ball],
    section: Attack,
    seeds: list[int],
) -> Iterator[Outcome]:
    """Attack images (n, C, H, W) in balls of one norm, the smallest first.

    What falls in a ball has fallen in every larger one, which therefore takes up only those that
    are left. PGD starts at FGSM's image, so that it is never weaker, then anywhere.

    Parameters
    ----------
    seeds
        Of the draws of each ball.
    """
    _, gradient = pgd.climb(network, clean, goal)
    found = Attacked(
        (clean * LEVELS).round().to(torch.uint8),
        torch.full((len(clean),), -torch.inf, device=clean.device),
        torch.zeros(len(clean), dtype=torch.bool, device=clean.device),
    )
    for ball, seed in zip(balls, seeds, strict=True):
        generator = torch.Generator().manual_seed(seed)
        stepped = ball.project(clean, clean + ball.eps * ball.uphill(gradient))
        start = stepped
        for _ in range(1 + section.restarts):
            found = _better(network, clean, start, goal, ball, section, found)
            start = ball.anywhere(clean, generator)
        noise = torch.zeros_like(found.before_rounding)
        for _ in range(section.noise_draws):
            noise |= _reached(network, clean, ball.surface(clean, generator), goal, ball)
        yield Outcome(ball, _reached(network, clean, stepped, goal, ball), found, noise)


def _better(
    network: Network,
    clean: torch.Tensor,
    start: torch.Tensor,
    goal: Goal,
    ball: Ball,
    section: Attack,
    before: Attacked,
) -> Attacked:
    """What was found before, or by one run of PGD on the images that are not yet far enough."""
    left = torch.nonzero(before.lead <= section.confidence).squeeze(1)
    if not len(left):
        return before
    new = pgd.pgd(
        network,
        clean[left],
        start[left],
        goal.only(left),
        ball,
        section.steps,
        section.step * ball.eps,
        section.confidence,
    )
    images, lead, fell = (
        each.clone() for each in (before.images, before.lead, before.before_rounding)
    )
    better = new.lead > lead[left]
    images[left[better]], lead[left[better]] = new.images[better], new.lead[better]
    fell[left] |= new.before_rounding
    return Attacked(images, lead, fell)


def _reached(
    network: Network, clean: torch.Tensor, moved: torch.Tensor, goal: Goal, ball: Ball
) -> torch.Tensor:
    return goal.lead(pgd.predict(network, ball.to_8_bits(clean, moved).float() / LEVELS)) > 0
