"""The block `projections`: maps of images onto a plane."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Block, Positive


class Projections(Block):
    """Maps of images onto a plane."""

    images: Annotated[int, Field(ge=50, le=MOST)]
    """Held-out images, at most."""
    neighbours: Positive
    """Whose being kept together is judged."""
    draws: Annotated[int, Field(ge=2, le=MOST)]
    """Random planes behind the null."""
