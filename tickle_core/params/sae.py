"""The block `sae`: sparse autoencoders."""

import re
from typing import Literal

from pydantic import model_validator

from tickle_core.params.types import Alias, Block, LearningRate, Many, Positive, PositiveReal

Variant = Literal["topk", "batchtopk", "relu", "jumprelu", "matryoshka"]
Precision = Literal["float32", "bfloat16"]

# Names that the stage gives to SAEs itself.
RESERVED = r"main|permuted|frozen|seed\d+"


class Companion(Block):
    """A further SAE on the same stream: what it has otherwise than the main one."""

    variant: Variant | None = None
    """Kind of sparse autoencoder."""
    latents: Positive | None = None
    """Size of the dictionary."""
    k: Positive | None = None
    """Active latents per token."""
    l1: PositiveReal | None = None
    """Weight of the L1 penalty."""
    precision: Precision | None = None
    """Number format of the product that chooses the active latents."""


class SaeOfLayer(Block):
    """What the SAEs of a layer have otherwise than those of the others."""

    latents: Positive | None = None
    """Size of the dictionary."""
    k: Positive | None = None
    """Active latents per token."""
    seeds: Positive | None = None
    """How many SAEs differ in where they begin."""
    companions: dict[Alias, Companion] | None = None
    """Further SAEs, in place of those of the other layers."""


class Sae(Block):
    """The sparse autoencoders of a layer and their training."""

    variant: Variant
    """Kind of the main sparse autoencoder."""
    latents: Positive
    """Size of the dictionary."""
    k: Positive
    """Active latents per token: topk exactly, the others on average (not relu)."""
    layers: dict[Alias, SaeOfLayer]
    """What single layers have otherwise, by alias."""
    l1: PositiveReal
    """Weight of the L1 penalty (relu only); inputs have unit mean square per token."""
    precision: Precision
    """Number format of the product that chooses the active latents."""
    seeds: Positive
    """How many SAEs differ in where they begin, the main one among them."""
    companions: dict[Alias, Companion]
    """Further SAEs by name: what they have otherwise than the main one."""
    tokens: Many
    """Tokens seen in training, counting repeats."""
    batch_size: Positive
    """Tokens per step."""
    learning_rate: LearningRate
    """Learning rate of Adam, at its peak."""
    dead_after: Many
    """Tokens without being active after which a latent is revived (AuxK)."""
    patience: Positive
    """Checks (of 25) without a better held-out FVU after which training ends."""
    buffer_mib: Positive
    """Memory for shuffling tokens, in MiB: a larger buffer mixes more images."""
    top_images: Positive
    """Strongest held-out images kept per latent."""
    heat_maps: Positive
    """Strongest latents of which it is kept where in their top images they are active."""

    @model_validator(mode="after")
    def _fits(self) -> "Sae":
        every: dict[str, Sae | SaeOfLayer] = {"": self, **self.layers}
        for layer, own in every.items():
            companions = self.companions if own.companions is None else own.companions
            described: dict[str, Sae | SaeOfLayer | Companion] = {"": own, **companions}
            for name, each in described.items():
                if re.fullmatch(RESERVED, name):
                    raise ValueError(f"companions.{name}: this name is taken; choose another")
                k = each.k or own.k or self.k
                latents = each.latents or own.latents or self.latents
                if k > latents:
                    places = [f"layers.{layer}"] * bool(layer) + [f"companions.{name}"] * bool(name)
                    where = ", ".join(places) + ": " * bool(places)
                    raise ValueError(
                        f"{where}k is {k} but there are only {latents} latents; lower k"
                    )
        return self
