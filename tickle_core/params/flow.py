"""The block `flow`: concepts through the layers."""

from tickle_core.params.types import Block, Positive


class Flow(Block):
    """Concepts through the layers."""

    examples: Positive
    """Held-out images whose way through the layers is shown."""
