"""Kinds of units: where they are read, and which random ones each is held against."""

from typing import Literal

Family = Literal["channel", "latent", "direction", "neuron", "point", "layer", "logit", "mixture"]

OVER_PATCHES: tuple[Family, ...] = ("channel", "latent", "direction")
AT_A_POSITION: tuple[Family, ...] = ("neuron", "point")
OF_LOGITS: tuple[Family, ...] = ("logit", "mixture")

# Temperature of the softened maximum over patches, in standard deviations of the unit. With 2, the
# median picture of a latent goes beyond the best natural image by the mean over patches and by
# their maximum, at each layer of the default network. At the early and middle one it falls short by
# the mean where 1 or less is ascended, and by the maximum where the mean is.
SOFTNESS = 2.0

# By family, its random units (`tickle_core.visualization.chance`); there is only one layer.
NULLS: dict[Family, Family] = {
    "channel": "direction",
    "latent": "direction",
    "neuron": "point",
    "logit": "mixture",
}
