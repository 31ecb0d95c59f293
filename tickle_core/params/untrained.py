"""The block `untrained`: the network that learnt nothing."""

from typing import Literal

from tickle_core.params.types import Block


class Untrained(Block):
    """The network that learnt nothing, which several nulls come from."""

    weights: Literal["matched", "fresh"]
    """How they are drawn: each tensor with its trained mean and variance, or as at the start."""
