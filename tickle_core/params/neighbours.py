"""The block `neighbours`: nearest neighbours, which the geometry of a layer rests on."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Block, Positive


class Neighbours(Block):
    """Nearest neighbours of held-out images and patches."""

    images: Positive
    """Held-out images, at most: all are compared with all."""
    count: Annotated[int, Field(ge=64, le=MOST)]
    """Neighbours kept of each."""
