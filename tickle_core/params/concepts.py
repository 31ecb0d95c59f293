"""The block `concepts`: concept vectors, TCAV, and where concepts are."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Alias, Block, Positive, PositiveReal


class Concepts(Block):
    """Concept vectors, TCAV, and where concepts are."""

    sets: Alias
    """Name of the file below data/concepts that says what the concepts are."""
    images: Annotated[int, Field(ge=10, le=MOST)]
    """Train images of a concept, and of each random partner, at most."""
    pool: Positive
    """Images of each split that sets are drawn from, at most."""
    partners: Annotated[int, Field(ge=10, le=MOST)]
    """Random partners of each concept."""
    random_sets: Annotated[int, Field(ge=20, le=MOST)]
    """Random sets in the place of concepts: what nulls and tests rest on."""
    strength: PositiveReal
    """Inverse regularisation C of the logistic vector: the smaller, the nearer to the mean's."""
    classes: Positive
    """Classes whose logits are differentiated, at most."""
    class_images: Annotated[int, Field(ge=10, le=MOST)]
    """Held-out images of each class, at most."""
    path_images: Positive
    """Of these, images of each class that are attributed along a path."""
    shown: Positive
    """Strongest images of each concept that the report shows."""
