"""Orthogonal matching pursuit: the code that a dictionary gets without an encoder."""

import torch

BLOCK_BYTES = 8 * 2**20
# Of what is left of a unit direction beyond those chosen before it; less of it is rounding.
DEPENDENT = 1e-4


def pursue(
    directions: torch.Tensor, k: int, acts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Describe each token by k directions, chosen one by one, with the best coefficients.

    Each step takes the direction whose inner product with what is still missing is largest in
    size, and refits all coefficients by least squares [1]_. They may be negative, which those of
    an SAE may not: a dictionary is as good here as one of twice its size with signs of its own.

    Refitting is done by an orthonormal basis of the chosen directions, which grows by one vector
    per step: Gram and Schmidt's, twice, as once is not enough to stay orthogonal [2]_. So a step
    is one product of tokens and directions, n * m * d multiplications. A block of tokens and its
    inner products, some MiB, are worked on at a time.

    Parameters
    ----------
    directions
        (m, d), of unit norm.
    acts
        (n, d), around the point that the directions start from; float64 for more precision.

    Returns
    -------
    tuple
        Their reconstruction (n, d), and how many directions describe each token (n,): fewer than
        k where nothing was left to describe.

    References
    ----------
    .. [1] Pati, Rezaiifar, Krishnaprasad (1993). Orthogonal matching pursuit. Asilomar.
    .. [2] Giraud, Langou, Rozloznik, van den Eshof (2005). Rounding error analysis of the
       classical Gram-Schmidt orthogonalization process. Numer. Math. 101.
    """
    (m, d), k = directions.shape, min(k, *directions.shape)
    step = max(1, BLOCK_BYTES // (acts.element_size() * (m + k * d)))
    parts = [_pursue(directions, k, part) for part in acts.split(step)]
    rebuilt, active = zip(*parts, strict=True)
    return torch.cat(rebuilt), torch.cat(active)


def _pursue(
    directions: torch.Tensor, k: int, acts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    missing = acts.clone()
    basis = acts.new_zeros(len(acts), k, acts.shape[1])
    active = torch.zeros(len(acts), dtype=torch.int64, device=acts.device)
    for step in range(k):
        chosen = (missing @ directions.T).abs_().max(1).indices
        beyond = directions[chosen][:, None]  # (b, 1, d)
        for _ in range(2):
            earlier = basis[:, :step]
            beyond = beyond - beyond @ earlier.mT @ earlier
        norm = beyond.norm(dim=2, keepdim=True)
        fresh = torch.where(norm > DEPENDENT, beyond / norm, 0.0)
        basis[:, step] = fresh[:, 0]
        along = fresh @ missing[:, :, None]  # (b, 1, 1)
        missing -= (along * fresh)[:, 0]
        active += along[:, 0, 0] != 0
    return acts - missing, active
