"""Codes of directions that mean nothing: what latents have to beat under the same rule."""

import torch


def matching_pursuit(acts: torch.Tensor, directions: torch.Tensor, k: int) -> torch.Tensor:
    """Sparse coefficients of `acts` (n, d), at most k per row, of either sign: (n, units).

    Step by step, the direction that explains most of what is left takes what it explains [1]_. It
    is what an encoder does for an SAE, for directions (units, d) of unit norm that have none.

    References
    ----------
    .. [1] Mallat, Zhang (1993). Matching pursuits with time-frequency dictionaries. IEEE Trans.
       Signal Process. 41.
    """
    found = acts.new_zeros(len(acts), len(directions))
    left = acts
    for _ in range(k):
        inner = left @ directions.T
        best = inner.abs().max(1, keepdim=True).indices
        value = inner.gather(1, best)
        found.scatter_add_(1, best, value)
        left = left - value * directions[best[:, 0]]
    return found
