"""The block `fractures`: classes, concepts and latents that come in parts."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Block, NotNegative, Positive


class Fractures(Block):
    """Whether the points of a class, concept or latent fall into parts."""

    points: Annotated[int, Field(ge=40, le=2000)]
    """Of a unit, at most: time grows with their third power."""
    neighbours: Positive
    """That points are joined with."""
    draws: Annotated[int, Field(ge=5, le=MOST)]
    """Gaussians that each unit is held against."""
    latents: NotNegative
    """Latents that are looked at: the strongest."""
    shown: Positive
    """Units in the report, the most fractured ones."""
    images: Positive
    """Of each part in the report."""
