"""The block `extract`: which activations are stored, and how."""

from typing import Annotated, Literal

from pydantic import Field

from tickle_core.params.types import MOST, Block, Many, Positive


class Extract(Block):
    """Which images go through the model, and how their activations are stored."""

    # What a sparse autoencoder learns from some is judged on others.
    train_images: Annotated[int, Field(ge=2, le=MOST**2)] | None
    """Images of the train split, drawn evenly over classes; null takes all."""
    test_images: Many | None
    """Images of the test split, likewise: all numbers are judged on them."""
    batch_size: Positive
    """Images per forward pass."""
    dtype: Literal["float16", "bfloat16", "float32"]
    """Number format of the stored activations."""
    shard_mib: Positive
    """About the size of one file, and of what a kill can cost, in MiB."""
