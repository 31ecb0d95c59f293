"""The block `curvature`: how much shortest paths through the data bend."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Block, Positive


class Curvature(Block):
    """Geodesic against straight distances."""

    neighbours: Positive
    """That paths go along."""
    others: list[Positive]
    """The same, to see how much depends on it."""
    sources: Positive
    """Images that paths start from, at most."""
    groups: Annotated[int, Field(ge=3, le=MOST)]
    """Groups of images that are left out in turn, for intervals."""
    draws: Annotated[int, Field(ge=2, le=MOST)]
    """Flat samples of each kind that are drawn."""
    shown: Positive
    """Paths in the report, of the most bent ones and of the least."""
