"""Latents that switch along a way."""

import numpy as np
import pandas as pd

COLUMNS = ["latent", "kind", "at", "strength"]


def switches(peaks: np.ndarray, at: np.ndarray) -> pd.DataFrame:
    """Latents that are active at one end only (`on`, `off`) or only in between (`passing`).

    Parameters
    ----------
    peaks
        (m, latents) maximum over positions at m points of the way, ends included.
    at
        (m,) share of the way.

    Returns
    -------
    pandas.DataFrame
        latent, kind, `at` which share of the way it crosses half of its maximum there first (for
        those that go off, last), and that maximum as `strength`; the strongest first.
    """
    active = peaks > 0
    first, last, inside = active[0], active[-1], active[1:-1].any(0)
    kinds = {"on": ~first & last, "off": first & ~last, "passing": ~first & ~last & inside}
    rows = []
    for kind, which in kinds.items():
        for latent in np.flatnonzero(which).tolist():
            high = np.flatnonzero(peaks[:, latent] >= peaks[:, latent].max() / 2)
            place = high[-1] if kind == "off" else high[0]
            rows.append((latent, kind, float(at[place]), float(peaks[:, latent].max())))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(["strength", "latent"], ascending=[False, True], ignore_index=True)
