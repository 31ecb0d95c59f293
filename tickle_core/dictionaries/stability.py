"""How much of a dictionary is found again by a training that began elsewhere."""

from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch.nn import functional as F

from tickle_core.statistics import percentile_interval, resample_counts

# Of the matrix of cosines, float64, so 512 MiB: 8,192 latents against as many.
MOST_COSINES = 2**26
RESAMPLES = 1000


def stability(one: torch.Tensor, two: torch.Tensor, seed: int) -> dict[str, Any]:
    """Mean cosine between directions of two dictionaries that are matched one to one.

    Of all ways to give every direction of the smaller dictionary one of its own in the larger
    one, the way with the largest sum of cosines is taken, found exactly as a linear assignment
    [1]_. So the mean is not that of each direction's nearest, among which some would count
    several times. Its null is the value of two dictionaries before training, which is well above
    0 in few dimensions.

    Up to 8,192 directions against as many take a few seconds. Where there would be more cosines
    than MOST_COSINES, evenly spaced directions of the smaller dictionary are matched with all of
    the larger one, as many as fit. That favours the value somewhat, since they compete with
    fewer, so it is to be compared with a null of the same sizes.

    Parameters
    ----------
    one, two
        Directions (m, d) and (m', d), of any norm but 0; the sign counts.
    seed
        Of the bootstrap.

    Returns
    -------
    dict
        value; interval (95 %, percentile bootstrap over the matched pairs, with the assignment
        held fixed); n, the number of pairs.

    References
    ----------
    .. [1] Crouse (2016). On implementing 2D rectangular assignment algorithms. IEEE Trans.
       Aerosp. Electron. Syst. 52.
    """
    cosines = matched_cosines(one, two)
    n, rng = len(cosines), np.random.default_rng(seed)
    draws = [resample_counts(n, rng) @ cosines / n for _ in range(RESAMPLES)]
    return {
        "value": float(cosines.mean()),
        "interval": list(percentile_interval(draws)),
        "n": n,
    }


def matched_cosines(one: torch.Tensor, two: torch.Tensor) -> np.ndarray:
    """The cosine of each pair in the best one-to-one matching of two dictionaries, (pairs,)."""
    small, large = sorted((one, two), key=len)
    pairs = min(len(small), max(1, MOST_COSINES // len(large)))
    spaced = torch.arange(pairs, device=small.device) * len(small) // pairs
    small, large = (F.normalize(each.detach().cpu().double()) for each in (small[spaced], large))
    cosines = (small @ large.T).numpy()
    # Of the negative, made in place: asked to maximise, it would make two copies more.
    return -cosines[linear_sum_assignment(np.negative(cosines, out=cosines))]
