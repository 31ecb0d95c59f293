"""The block `dimension`: PCA intrinsic dimension."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import Block, Positive, Share


class Dimension(Block):
    """PCA intrinsic dimension, its interval and its bias."""

    variance: Share
    """Share of the variance that the counted components hold."""
    blocks: Annotated[int, Field(ge=2)]
    """Groups of images that are held out in turn."""
    draws: Positive
    """Matched Gaussians, and sets of images of any class, that are drawn for comparison."""
