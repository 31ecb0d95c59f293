"""The block `dimension`: how many dimensions activations take."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import Block, Positive, Share


class Dimension(Block):
    """Principal components, participation, nearest neighbours."""

    variance: Share
    """Share of the variance that the counted components hold."""
    blocks: Annotated[int, Field(ge=2, le=1000)]
    """Groups of images that are held out in turn."""
    draws: Positive
    """Spectra of matched Gaussians, and sets of images of any kind, drawn for comparison."""
    gaussians: Positive
    """Samples of matched Gaussians whose nearest neighbours are found."""
