"""Projected gradient steps within a ball: FGSM and PGD.

FGSM is one step of length eps from the clean image [1]_; PGD takes many shorter ones from
anywhere in the ball and comes back into it after each [2]_. The best iterate counts, not the last.

References
----------
.. [1] Goodfellow, Shlens, Szegedy (2015). Explaining and harnessing adversarial examples. ICLR.
.. [2] Madry et al. (2018). Towards deep learning models resistant to adversarial attacks. ICLR.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from tickle_core.attacks.balls import LEVELS, Ball
from tickle_core.attacks.goals import Goal

# Images (n, C, H, W) with pixels in [0, 1] -> logits (n, classes).
Network = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Attacked:
    """What became of n images.

    Attributes
    ----------
    images
        (n, C, H, W) uint8, the best of each: the one beyond the boundary by most.
    lead
        (n,) by how much that is, as `Goal.lead` has it.
    before_rounding
        (n,) bool, whether an iterate was beyond the boundary before it got 8 bits.
    """

    images: torch.Tensor
    lead: torch.Tensor
    before_rounding: torch.Tensor

    @property
    def reached(self) -> torch.Tensor:
        """Whether the goal is, with 8 bits, (n,) bool."""
        return self.lead > 0


def fgsm(network: Network, clean: torch.Tensor, goal: Goal, ball: Ball) -> torch.Tensor:
    """The images (n, C, H, W) that one step leads to."""
    _, gradient = climb(network, clean, goal)
    return ball.project(clean, clean + ball.eps * ball.uphill(gradient))


def pgd(
    network: Network,
    clean: torch.Tensor,
    start: torch.Tensor,
    goal: Goal,
    ball: Ball,
    steps: int,
    step: float,
    confidence: float = 0.0,
) -> Attacked:
    """Climb from `start`, image by image until the goal is reached with 8 bits.

    Images that are beyond the boundary by `confidence` take no further part. Memory: one batch
    forth and back.

    Parameters
    ----------
    clean, start
        (n, C, H, W) each; the start lies in the ball.
    steps, step
        How many, and of what length.
    confidence
        Difference of logits.
    """
    n, device = len(clean), clean.device
    # The iterate that is furthest before rounding, and what was judged with 8 bits.
    furthest, lead_of_furthest = start.clone(), torch.full((n,), -torch.inf, device=device)
    best, lead = ball.to_8_bits(clean, start), torch.full((n,), -torch.inf, device=device)
    active, moved = torch.arange(n, device=device), start

    def judge(images: torch.Tensor, those: torch.Tensor) -> None:
        """Round some images, and keep those that are beyond the boundary by more than before."""
        found = ball.to_8_bits(clean[those], images)
        reached = goal.only(those).lead(predict(network, found.float() / LEVELS))
        better = reached > lead[those]
        best[those[better]], lead[those[better]] = found[better], reached[better]

    for taken in range(steps + 1):
        if not len(active):
            break
        own = goal.only(active)
        if taken < steps:
            logits, gradient = climb(network, moved, own)
        else:
            logits, gradient = predict(network, moved), None
        ahead = own.lead(logits)
        further = ahead > lead_of_furthest[active]
        furthest[active[further]] = moved[further]
        lead_of_furthest[active[further]] = ahead[further]
        # Rounding may lead back: what is beyond the boundary is judged as it would be stored.
        judged = (ahead > 0) & (ahead > lead[active])
        if judged.any():  # not all networks take an empty batch
            judge(moved[judged], active[judged])
        if gradient is not None:
            going = lead[active] <= confidence
            moved = moved[going] + step * ball.uphill(gradient[going])
            active = active[going]
            moved = ball.project(clean[active], moved)
    left = torch.nonzero(lead <= 0).squeeze(1)
    if len(left):
        judge(furthest[left], left)
    return Attacked(best, lead, lead_of_furthest > 0)


@torch.no_grad()
def predict(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Logits (n, classes) of images (n, C, H, W)."""
    return network(images)


def climb(network: Network, images: torch.Tensor, goal: Goal) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (n, classes) of images, and the gradient (n, C, H, W) of what is climbed."""
    leaf = images.detach().requires_grad_()
    logits = network(leaf)
    [gradient] = torch.autograd.grad(goal.gain(logits).sum(), leaf)
    return logits.detach(), gradient
