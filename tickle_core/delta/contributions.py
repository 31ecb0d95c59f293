"""What of a layer's change moves the logits from one class to the other.

With LD = logit of the class that an image became - logit of its own class, a the clean activations
and a' the adversarial ones, LD changes by the integral of its gradient along the line from a to a'.
A unit i whose coefficient changes by dc_i at each position contributes

    C_i = sum_p dc_ip (w_i . g_p),    g the mean gradient along that line,

and where units and what they leave over make up all of a' - a, contributions add up to the change.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from tickle_core.delta.reading import Batch, Deltas
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.interventions.parts import CodedChanges, PairBatch, ReadUnits, Screened
from tickle_core.models.accuracy import batch_size
from tickle_core.models.path_integral import path_sum, straight
from tickle_core.progress import progress


@dataclass(frozen=True)
class Families:
    """Units of a layer whose clean values can be given back.

    Attributes
    ----------
    sae
        Of the latents.
    read
        By name, units that are read off as inner products.
    """

    sae: SparseAutoencoder
    read: Mapping[str, ReadUnits]

    @property
    def sizes(self) -> dict[str, int]:
        """How many units each family has."""
        return {"latents": len(self.sae.b_enc)} | {
            name: len(each) for name, each in self.read.items()
        }

    @torch.no_grad()
    def changes(
        self, batch: Batch, gradient: torch.Tensor | None = None, kind: str = "adversarial"
    ) -> dict[str, Screened]:
        """What each family changes from perturbed activations (as targets) to clean ones."""
        clean, perturbed = batch.tokens["clean"], batch.tokens[kind]
        count = len(clean)
        slopes = torch.zeros_like(clean) if gradient is None else -gradient
        ends = [*range(count)], [*range(count, 2 * count)]
        pair = PairBatch(0, *ends, clean, perturbed, slopes)
        codes = self.sae.codes(torch.cat([clean, perturbed]).flatten(0, 1))
        of_clean = codes.pattern.rows < codes.pattern.height // 2
        values = torch.where(of_clean, codes.values, -codes.values)
        latents = CodedChanges(self.sae.w_dec.detach(), codes.pattern, values, pair)
        return {"latents": latents} | {
            name: units.between(pair) for name, units in self.read.items()
        }


@dataclass(frozen=True)
class Contributions:
    """Of n images.

    Attributes
    ----------
    of
        By family, (n, units): C.
    of_noise
        (n, latents), the same of latents where noise takes the place of the perturbation, under
        the perturbation's own gradient.
    residual
        (n,), what goes through the part of the change that latents leave over.
    change
        (n,), of LD.
    """

    of: dict[str, np.ndarray]
    of_noise: np.ndarray
    residual: np.ndarray
    change: np.ndarray


def contributions(deltas: Deltas, families: Families, steps: int) -> Contributions:
    """C of every unit of every family on each image.

    Memory: a batch forth and back, and a number per image and unit.
    """
    found: dict[str, list[torch.Tensor]] = {name: [] for name in families.sizes}
    noise, residual, change = [], [], []
    for batch in progress(
        deltas.batches("clean", "adversarial", "noise"), "contributions", "batch"
    ):
        gradient = mean_gradient(deltas, batch, steps)
        changes = families.changes(batch, gradient)
        for name, each in changes.items():
            found[name].append(each.screen().double().cpu())
        noise.append(families.changes(batch, gradient, "noise")["latents"].screen().double().cpu())
        whole = ((batch.tokens["adversarial"] - batch.tokens["clean"]) * gradient).sum((1, 2))
        residual.append(whole.double().cpu() - found["latents"][-1].sum(1))
        with torch.no_grad():
            ends = [
                difference_of(deltas, batch, batch.tokens[kind])
                for kind in ("adversarial", "clean")
            ]
        change.append((ends[0] - ends[1]).double().cpu())
    return Contributions(
        {name: torch.cat(each).numpy() for name, each in found.items()},
        *(torch.cat(each).numpy() for each in (noise, residual, change)),
    )


def mean_gradient(deltas: Deltas, batch: Batch, steps: int) -> torch.Tensor:
    """Gradient of LD in the tokens, mean over the line from clean to adversarial, (b, P, d)."""

    def difference(points: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        logits = deltas.splice.logits(points, batch.ids[which.cpu().numpy()])
        return logit_difference(logits, batch.became[which], batch.own[which])

    def slopes_alone(slopes: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
        return slopes.sum(1)

    images = torch.arange(len(batch.ids), device=batch.own.device)
    path = straight(batch.tokens["clean"], batch.tokens["adversarial"])
    at_once = batch_size(deltas.splice.images)
    return path_sum(difference, path, images, steps, at_once, slopes_alone) / steps


def difference_of(deltas: Deltas, batch: Batch, tokens: torch.Tensor) -> torch.Tensor:
    """LD of tokens (b, positions, d) in the place of the batch's, (b,)."""
    logits = deltas.splice.logits(tokens, batch.ids)
    return logit_difference(logits, batch.became, batch.own)


def logit_difference(logits: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """logit_up - logit_down of each image, (n,), for logits (n, classes) and classes (n,)."""
    return (logits.gather(1, up[:, None]) - logits.gather(1, down[:, None])).squeeze(1)
