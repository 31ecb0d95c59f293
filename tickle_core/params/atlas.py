"""The block `atlas`: clusters of patches, and pictures of them."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Block, NotNegative, Positive


class Atlas(Block):
    """Clusters of patches of held-out images."""

    images: Annotated[int, Field(ge=20, le=MOST)]
    """Held-out images, at most."""
    patches: Positive
    """Of each, at most."""
    clusters: Annotated[list[Annotated[int, Field(ge=2, le=MOST)]], Field(min_length=1)]
    """Numbers of clusters of which the most stable one is taken."""
    resamples: Annotated[int, Field(ge=2, le=MOST)]
    """Pairs of halves of the images that are clustered."""
    draws: Annotated[int, Field(ge=2, le=MOST)]
    """Shufflings of the classes behind the purity's null."""
    steps: NotNegative
    """Steps of gradient ascent for a picture of each cell; 0 for none."""
    shown: Positive
    """Patches of each cell in the report."""
