"""The block `delta`: what perturbations do to one layer."""

from typing import Annotated

from pydantic import Field

from tickle_core.params.types import MOST, Block, NotNegative, Positive


class Delta(Block):
    """Adversarial images in one layer: which latents they hijack, and what undoes it."""

    images: Annotated[int, Field(ge=4, le=MOST)]
    """Adversarial images, at most: one half chooses latents, the other half judges them."""
    steps: Positive
    """Steps of the path integral from clean activations to adversarial ones."""
    restored: Positive
    """Latents that get their clean value back for the headline number."""
    draws: Annotated[int, Field(ge=2, le=MOST)]
    """Draws of random latents that change as much."""
    latents: Positive
    """Hijacked latents that are tried one by one."""
    picture_steps: NotNegative
    """Steps of gradient ascent for a picture of each; 0 for none."""
    shown: Positive
    """Of them in the report, and top images of each."""
