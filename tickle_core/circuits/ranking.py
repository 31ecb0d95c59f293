"""Screening all units of a layer at once: what a gradient says that their ablation would do.

To first order, giving unit u the coefficient c'_u instead of c_u changes the logit of the image's
class y by sum_p (c'_u - c_u(a_p)) (w_u . g_p), where g_p is the logit's gradient at position p.
One forward and one backward pass of the network's tail per image therefore rank every unit under
every kind of ablation (attribution patching; Syed et al. 2023, arXiv:2310.10348). Where the tail is
linear, the screen is exact.
"""

from dataclasses import dataclass

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.circuits.images import Images, batches
from tickle_core.interventions.units import Units
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress


@dataclass(frozen=True)
class Screen:
    """What some images' gradients say of the units of one family.

    Attributes
    ----------
    signed, size
        By kind of ablation, (units,): mean over images of the screened effect, and of its absolute
        value.
    """

    signed: dict[str, np.ndarray]
    size: dict[str, np.ndarray]


def screen(
    families: dict[str, Units],
    means: dict[str, np.ndarray],
    images: Images,
    store: ActivationStore,
    splice: Splice,
) -> dict[str, Screen]:
    """Screened effects of all units of all families, in one pass.

    Memory: one batch, and two numbers per image and unit.

    Parameters
    ----------
    means
        By family, (kinds of token, units), what the mean ablation replaces by.
    """
    names, kind_of = store.token_kinds
    of_kind = torch.from_numpy(np.arange(len(names))[:, None] == kind_of)
    of_kind = of_kind.to(splice.classifier.device).float()
    removed: dict[str, list[torch.Tensor]] = {name: [] for name in families}
    brought: dict[str, list[torch.Tensor]] = {name: [] for name in families}
    slopes = []
    for batch in progress(batches(images, splice), "screening units", "batch"):
        gradient = _gradient(splice, batch.tokens, batch.ids)
        slopes.append(of_kind @ gradient)
        for name, units in families.items():
            removed[name].append(units.inner(batch.tokens, gradient).cpu())
            brought[name].append(units.inner(batch.donors, gradient).cpu())
    slope = torch.cat(slopes)
    found = {}
    for name, units in families.items():
        zero = torch.cat(removed[name]).numpy()
        along = (slope @ units.directions.T).cpu().numpy()  # (images, kinds of token, units)
        effects = {
            "zero": zero,
            "mean": zero - (means[name].astype(np.float32) * along).sum(1),
            "resample": zero - torch.cat(brought[name]).numpy(),
        }
        found[name] = Screen(
            {kind: effect.mean(0, dtype=np.float64) for kind, effect in effects.items()},
            {kind: np.abs(effect).mean(0, dtype=np.float64) for kind, effect in effects.items()},
        )
    return found


def _gradient(splice: Splice, tokens: torch.Tensor, ids: np.ndarray) -> torch.Tensor:
    """Gradient of each image's largest logit in its tokens, (n, P, d)."""
    leaf = tokens.detach().requires_grad_()
    logits = splice.logits(leaf, ids)
    return torch.autograd.grad(logits.amax(1).sum(), leaf)[0]
