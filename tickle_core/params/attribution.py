"""The block `attribution`: what in an image a prediction rests on."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Block, Positive, Share


class Attribution(Block):
    """What in an image a prediction rests on."""

    images: Annotated[int, Field(ge=2, le=MOST)]
    """Held-out images that are attributed."""
    tolerance: Share
    """Residual of completeness below which a path has steps enough."""
    most_steps: Annotated[int, Field(ge=8, le=MOST)]
    """Steps of a path, at most."""
    anchors: Annotated[int, Field(ge=10, le=MOST)]
    """Real images that chains are made of, at most: time grows with their square."""
    cells: Annotated[int, Field(ge=2, le=MOST)]
    """Cells along a side of an image that maps are judged by, at most."""
    removals: Annotated[int, Field(ge=2, le=MOST)]
    """Shares of the cells that deletion and insertion look at."""
    randomised_images: Annotated[int, Field(ge=2, le=MOST)]
    """Images behind the randomisation check, at most."""
    shown: Positive
    """Images whose maps the report shows."""
