"""Which latents are worth showing."""

import pandas as pd

DENSE = 0.5  # share of tokens above which a latent says least: it encodes what most tokens share


def strongest(latents: pd.DataFrame, count: int) -> pd.DataFrame:
    """The rows of the latents that fire, but on no more than `DENSE` of the tokens, by energy.

    Parameters
    ----------
    latents
        The table that the stage `sae` writes.
    """
    telling = latents[(latents["density"] > 0) & (latents["density"] <= DENSE)]
    order = ["mean_square", "latent"]
    return telling.sort_values(order, ascending=[False, True]).head(count)
