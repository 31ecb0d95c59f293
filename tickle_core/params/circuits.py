"""The block `circuits`: ablation, patching and causal tracing."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Block, Positive, Share


class Circuits(Block):
    """Ablation, patching and causal tracing."""

    images: Annotated[int, Field(ge=4, le=MOST)]
    """Held-out images: one half ranks the units by gradient, the other half judges."""
    units: Positive
    """Units of each kind that are ablated: the top ones, and their controls."""
    directions: Positive
    """Principal components that are ablated, at most."""
    band_draws: Annotated[int, Field(ge=2, le=MOST)]
    """Random groups that change the layer as much as 4, 16, ... top units."""
    null_draws: Annotated[int, Field(ge=2, le=MOST)]
    """Random groups that the largest group of top units is tested against."""
    classes: Annotated[int, Field(ge=2, le=MOST)]
    """Most frequent predictions, between which activations are patched."""
    pairs: Positive
    """Pairs of images for each donor class and target class."""
    patched_share: Share
    """Share of the positions, channels and latents that patching replaces."""
    traces: Annotated[int, Field(ge=2, le=MOST)]
    """Pairs of images whose positions are restored one by one."""
    sites: Positive
    """Positions that tracing restores, at most: neighbours are joined where a layer has more."""
    examples: Positive
    """Pairs that the report shows."""
