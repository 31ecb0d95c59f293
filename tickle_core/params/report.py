"""The block `report`: what is shown."""

from tickle_core.params.types import Alias, Block, Positive


class Report(Block):
    """What the report shows."""

    headline_layer: Alias
    """Alias of the layer whose numbers stand in summary.json."""
    latents: Positive
    """Strongest latents shown per layer."""
    images_per_latent: Positive
    """Top images shown of each latent."""
