"""What an attack wants, how far it is from it, and the function that it climbs."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

# Cross-entropy of a class whose probability rounds to 1: its gradient has lost digits, or is 0.
SATURATED = 1e-5


@dataclass(frozen=True)
class Goal:
    """To leave the classes (n,) of images, or, if it is `targeted`, to reach them."""

    classes: torch.Tensor
    targeted: bool = False

    def only(self, which: torch.Tensor) -> "Goal":
        """That of some of the images."""
        return Goal(self.classes[which], self.targeted)

    def lead(self, logits: torch.Tensor) -> torch.Tensor:
        """By how much logits (n, classes) are beyond the boundary, (n,): reached if positive."""
        own = logits.gather(1, self.classes[:, None]).squeeze(1)
        others = logits.scatter(1, self.classes[:, None], -torch.inf).amax(1)
        return own - others if self.targeted else others - own

    def gain(self, logits: torch.Tensor) -> torch.Tensor:
        """What is climbed, (n,): cross-entropy, or the lead where the softmax is saturated.

        Each image's own: a mean over images would tie their steps together.
        """
        loss = F.cross_entropy(logits, self.classes, reduction="none")
        if self.targeted:
            return -loss
        return torch.where(loss < SATURATED, self.lead(logits), loss)
