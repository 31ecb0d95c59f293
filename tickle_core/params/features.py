"""The block `features`: pictures of what units want."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tickle_core.params.types import (
    MOST,
    Block,
    LearningRate,
    NotNegative,
    NotNegativeReal,
    Positive,
)


class Features(Block):
    """Feature visualization: of which units, and how it is regularised."""

    parametrization: Literal["fourier", "pixel"]
    """What is ascended of a picture: fourier (decorrelated colours, 1/f) or pixel."""
    steps: Positive
    """Steps of gradient ascent."""
    learning_rate: LearningRate
    """Learning rate of Adam."""
    channels: NotNegative
    """Channels that are pictured: those that vary most between images."""
    neurons: NotNegative
    """Neurons that are pictured: channels that vary most, at the central position."""
    latents: NotNegative
    """Latents that are pictured: the strongest, as in the report's gallery."""
    logits: NotNegative
    """Logits that are pictured: of the classes that the model predicts most."""
    pictures: Positive
    """Pictures of each unit, and of as many random ones."""
    diversity: NotNegativeReal
    """Weight in R(x) of how alike the pictures of one unit are: larger ones differ more."""
    l2: NotNegativeReal
    """Weight of the distance from mid-grey in the penalty R(x)."""
    total_variation: NotNegativeReal
    """Weight of the difference between neighbouring pixels in R(x)."""
    pad: Annotated[float, Field(ge=0, lt=0.5)]
    """Width of the grey border, as a share of the side."""
    jitter: Annotated[float, Field(ge=0, lt=0.5)]
    """Shift of each step, at most, as a share of the side."""
    scale: Annotated[float, Field(ge=0, lt=1)]
    """How far from 1 the zoom of each step may be."""
    rotate: Annotated[float, Field(ge=0, le=180)]
    """Turn of each step, at most, in degrees."""
    batch_size: Positive
    """Pictures at once."""
    natural: Positive
    """Images that activate a unit most, and least, kept beside its pictures."""
    noise: Annotated[int, Field(ge=2, le=MOST)]
    """Natural images with random phases behind the null of the scores."""

    @model_validator(mode="after")
    def _fits(self) -> "Features":
        if self.pictures > self.batch_size:
            raise ValueError(
                f"pictures is {self.pictures}, but the pictures of one unit are made in one batch "
                f"of {self.batch_size}; raise batch_size"
            )
        return self
