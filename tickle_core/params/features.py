"""The block `features`: pictures of what units want."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tickle_core.params.types import Block, NotNegative, NotNegativeReal, Positive, PositiveReal


class Features(Block):
    """Feature visualization: of which units, and how it is regularised."""

    parametrization: Literal["fourier", "pixel"]
    """Of the picture: fourier (decorrelated colours, 1/f) or pixel."""
    steps: Positive
    """Of gradient ascent."""
    learning_rate: PositiveReal
    """Of Adam."""
    channels: NotNegative
    """How many are pictured: those that vary most between images."""
    neurons: NotNegative
    """How many are pictured: the same channels at the central position."""
    latents: NotNegative
    """How many are pictured: the strongest, as in the report's gallery."""
    logits: NotNegative
    """How many are pictured: of the classes that the model predicts most."""
    pictures: Positive
    """Of each unit, and of as many random ones."""
    diversity: NotNegativeReal
    """How much the pictures of one unit should differ."""
    l2: NotNegativeReal
    """Weight of the distance from mid-grey in the penalty R(x)."""
    total_variation: NotNegativeReal
    """Weight of the difference between neighbouring pixels in R(x)."""
    pad: Annotated[float, Field(ge=0, lt=0.5)]
    """Grey border, as a share of the side."""
    jitter: Annotated[float, Field(ge=0, lt=0.5)]
    """Shifts of each step, at most, as a share of the side."""
    scale: Annotated[float, Field(ge=0, lt=1)]
    """Zooms of each step, at most."""
    rotate: Annotated[float, Field(ge=0, le=180)]
    """Turns of each step, at most, in degrees."""
    batch_size: Positive
    """Pictures at once."""
    natural: Positive
    """Images that activate a unit most, and least, kept beside its pictures."""
    noise: Annotated[int, Field(ge=2)]
    """Natural images with random phases behind the null of the scores."""

    @model_validator(mode="after")
    def _fits(self) -> "Features":
        if self.pictures > self.batch_size:
            raise ValueError(
                f"pictures is {self.pictures}, but the pictures of one unit are made in one batch "
                f"of {self.batch_size}; raise batch_size"
            )
        return self
