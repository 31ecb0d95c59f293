"""The block `probes`: linear probes and their controls."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Block, HeldOut, Positive, PositiveReal


class Probes(Block):
    """Linear probes and their controls."""

    train_images: Positive
    """Images that probes learn from, at most: bounds memory and time."""
    strengths: Annotated[list[PositiveReal], Field(min_length=1)]
    """Inverse regularisations C to choose from: larger ones regularise less."""
    validation_share: HeldOut
    """Share of the train images that the strength is chosen on."""
    control_clusters: Annotated[int, Field(ge=2, le=MOST)]
    """Clusters of images that get random labels in a control task."""
    control_draws: Annotated[int, Field(ge=2, le=MOST)]
    """Control tasks: clusters and their labels drawn anew."""
    shuffles: Positive
    """Fits to shuffled labels behind the chance level."""
