"""The block `connectedness`: ways between images of a class."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Block, Positive


class Connectedness(Block):
    """Ways between images of a class, and of different ones."""

    classes: Positive
    """Whose images are paired, at most: those predicted most."""
    pairs: Positive
    """Of images of each class, on average: where one has few, others give more."""
    points: Annotated[int, Field(ge=4, le=MOST, multiple_of=2)]
    """Of a way, its ends among them."""
    neighbours: Positive
    """That paths along the graph go along."""
    draws: Annotated[int, Field(ge=2, le=MOST)]
    """Shufflings of the predictions behind the purity's null."""
    shown: Positive
    """Ways in the report, of each kind."""
