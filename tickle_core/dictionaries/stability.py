"""How much of a dictionary is found again by a training that began elsewhere."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from torch.nn import functional as F

from tickle_core.dictionaries import directions
from tickle_core.statistics import drawn

# Of the matrix of similarities, float64, so 512 MiB: 8,192 latents against as many.
MOST_SIMILARITIES = 2**26
CHANCE_DRAWS = 5
ALIKE = 0.9  # cosine above which two directions are told to be the same


def of_directions(
    trained: Sequence[torch.Tensor],
    begun: Sequence[torch.Tensor],
    covariance: torch.Tensor,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Do trainings that began at different points end in the same directions?

    Every two dictionaries are matched (`matched_cosines`). Chance is what the same matching gives
    for two draws of as many random directions that have the second moment of the trained rows
    (`directions.spread_of`): how they are spread is kept, which there are is not. It grows with
    the number of rows and falls with the dimensions that they fill. So

        excess = (observed - chance) / (1 - chance)

    is 0 for dictionaries that have nothing but their spread in common (by some 0.01 less where
    there are few rows per dimension, since their spread is partly luck), and 1 for equal ones.

    Parameters
    ----------
    trained
        At least two dictionaries (m, d).
    begun
        What they were before training.
    covariance
        (d, d) float64, of the tokens: directions of draws from it are spread less evenly than a
        dictionary is, so they match better. They are told beside it, but are not its chance.
    rng
        Source of the draws.

    Returns
    -------
    dict
        `cosine`, the mean matched cosine, with its null, with `before` training and with draws
        from the tokens' covariance (`data`); `excess`; `alike`, the share of matched pairs above
        `ALIKE`, with its null. Each is a mean over all pairs of dictionaries, with their range; n
        is the number of dictionaries.
    """
    n, m = len(trained), len(trained[0])
    spread = directions.spread_of(F.normalize(torch.cat(list(trained))), rng)
    found = [matched_cosines(*pair) for pair in combinations(trained, 2)]
    chance = _by_chance(spread, m, rng)
    null = float(np.mean([cosines.mean() for cosines in chance]))
    cosines = np.array([each.mean() for each in found])
    data = _by_chance(directions.root(covariance), m, rng)
    before = [matched_cosines(*pair).mean() for pair in combinations(begun, 2)]
    return {
        "cosine": over_seeds(cosines, n)
        | {
            "null": drawn([each.mean() for each in chance]),
            "data": drawn([each.mean() for each in data]),
            "before": over_seeds(before, n),
        },
        "excess": over_seeds((cosines - null) / (1 - null), n),
        "alike": over_seeds([(each > ALIKE).mean() for each in found], n)
        | {"null": drawn([(each > ALIKE).mean() for each in chance])},
    }


def of_codes(
    codes: Sequence[csr_array], positions: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Do latents of trainings that began at different points fire on the same tokens?

    Every two SAEs are matched latent by latent by the correlation of their codes on the tokens of
    one half of the images, and scored by that of the matched ones on the other half: no luck of
    the matching is left in it. A latent that never fires correlates with none. Chance is the same
    once the images of one of the two are shuffled: positions keep their part in it.

    Parameters
    ----------
    codes
        At least two, (images * positions, m) each, of the same tokens, image by image.
    rng
        Source of the halves and the shuffles.

    Returns
    -------
    dict
        The mean matched correlation over all pairs of SAEs, their range, its null; n is the number
        of SAEs.
    """
    images = codes[0].shape[0] // positions
    halves = np.array_split(rng.permutation(images), 2)
    places = [_tokens(np.sort(half), positions) for half in halves]

    def score(one: csr_array, two: csr_array) -> float:
        fitted, judged = (_correlations(one[tokens], two[tokens]) for tokens in places)
        return float(judged[np.arange(len(judged)), _match(fitted)].mean())

    pairs = list(combinations(codes, 2))
    chance = []
    for draw in range(CHANCE_DRAWS):
        one, two = pairs[draw % len(pairs)]
        chance.append(score(one, two[_tokens(rng.permutation(images), positions)]))
    found = [score(*pair) for pair in pairs]
    return over_seeds(found, len(codes)) | {"null": drawn(chance)}


def over_seeds(values: Sequence[float] | np.ndarray, seeds: int) -> dict[str, Any]:
    """What several trainings gave: mean `value`, `range` from the least to the most, n seeds."""
    values = np.asarray(values, np.float64)
    found = {"value": float(values.mean()), "n": seeds}
    if len(values) == 1:
        return found | {"interval": None, "why": f"{seeds} seeds have no range"}
    return found | {"range": [float(values.min()), float(values.max())]}


def matched_cosines(one: torch.Tensor, two: torch.Tensor) -> np.ndarray:
    """The cosine of each pair in the best one-to-one matching of two dictionaries, (pairs,).

    Of all ways to give every direction of the smaller dictionary one of its own in the larger
    one, the way with the largest sum of cosines is taken, found exactly as a linear assignment
    [1]_. So their mean is not that of each direction's nearest, among which some would count
    several times.

    Up to 8,192 directions against as many take a few seconds. Where there would be more cosines
    than MOST_SIMILARITIES, evenly spaced directions of the smaller dictionary are matched with all
    of the larger one, as many as fit. That favours the value somewhat, since they compete with
    fewer, and what it is compared with likewise.

    Parameters
    ----------
    one, two
        Directions (m, d) and (m', d), of any norm but 0; the sign counts.

    References
    ----------
    .. [1] Crouse (2016). On implementing 2D rectangular assignment algorithms. IEEE Trans.
       Aerosp. Electron. Syst. 52.
    """
    small, large = sorted((one, two), key=len)
    small = small[_spaced(len(small), len(large))]
    small, large = (F.normalize(each.detach().cpu().double()) for each in (small, large))
    cosines = (small @ large.T).numpy()
    return cosines[np.arange(len(cosines)), _match(cosines)]


def _spaced(small: int, large: int) -> np.ndarray:
    """Numbers of as many of `small` things as may be compared with `large` ones, evenly spaced."""
    count = min(small, max(1, MOST_SIMILARITIES // large))
    return np.arange(count) * small // count


def _match(similarities: np.ndarray) -> np.ndarray:
    """For each row the column of the matching with the largest sum, (rows,)."""
    # Negated in place, there and back: asked to maximise, it would make two copies more.
    np.negative(similarities, out=similarities)
    columns = linear_sum_assignment(similarities)[1]
    np.negative(similarities, out=similarities)
    return columns


def _by_chance(spread: torch.Tensor, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Matched cosines of two draws of directions, CHANCE_DRAWS times."""
    return [
        matched_cosines(*(directions.draw(spread, count, rng) for _ in range(2)))
        for _ in range(CHANCE_DRAWS)
    ]


def _tokens(images: np.ndarray, positions: int) -> np.ndarray:
    """Rows of all tokens of the images."""
    return (images[:, None] * positions + np.arange(positions)).ravel()


def _correlations(one: csr_array, two: csr_array) -> np.ndarray:
    """Correlation of the columns of `one` (n, m) and `two` (n, m'), 0 where either is constant."""
    one = one[:, _spaced(one.shape[1], two.shape[1])]
    n = one.shape[0]
    means, deviations = [], []
    for each in (one, two):
        mean = each.sum(0) / n
        variance = np.maximum((each * each).sum(0) / n - mean**2, 0)
        means.append(mean)
        deviations.append(np.where(variance > 0, np.sqrt(variance), np.inf))
    products = (one.T @ two).toarray() / n
    return (products - np.outer(*means)) / np.outer(*deviations)
