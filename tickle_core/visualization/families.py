"""Kinds of units: where they are read, and which random ones each is held against."""

from typing import Literal

Family = Literal["channel", "latent", "direction", "neuron", "point", "layer", "logit", "mixture"]

# Those that are read at all patches, and the temperature of their softened maximum in standard
# deviations. Of those that were tried (0, 0.25, 0.5, 1, 2, 4 and the mean) it is the one whose
# pictures go beyond the best natural image by the mean as well as by the maximum, at early and at
# late layers.
OVER_PATCHES: tuple[Family, ...] = ("channel", "latent", "direction")
SOFTNESS = 2.0

AT_A_POSITION: tuple[Family, ...] = ("neuron", "point")
OF_LOGITS: tuple[Family, ...] = ("logit", "mixture")

# By family, its random units (`tickle_core.visualization.chance`); there is only one layer.
NULLS: dict[Family, Family] = {
    "channel": "direction",
    "latent": "direction",
    "neuron": "point",
    "logit": "mixture",
}
