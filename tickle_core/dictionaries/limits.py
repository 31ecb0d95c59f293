"""Which latents are worth showing, and when data are too few for them."""

import pandas as pd

DENSE = 0.5  # share of tokens above which a latent says least: it encodes what most tokens share
# By so much may the FVU of new images exceed that of train images before data are called few.
MOST_EXCESS = 0.1


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
