"""The loss of each variant, all behind one signature.

    loss = mean_n ||a_n - D(E(a_n))||^2 + penalty + AUX_WEIGHT * aux

on activations that are centred and scaled to a mean squared norm of 1, so that the first term is
about the fraction of variance unexplained.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.autograd import Function

from tickle_core.dictionaries import selection
from tickle_core.dictionaries.recipe import Recipe
from tickle_core.dictionaries.sae import Codes, SparseAutoencoder
from tickle_core.dictionaries.sparse import Pattern, sparse_product

AUX_WEIGHT = 1 / 32  # Gao et al. 2024
# Width of the band around a threshold in which an entry tells it where to move (jumprelu).
BANDWIDTH = 0.03
L0_WEIGHT = 0.1
# Nested dictionaries (matryoshka): the first 1/16, 1/8, 1/4, 1/2 of the latents, and all.
NESTED = (16, 8, 4, 2, 1)


@dataclass(frozen=True)
class Loss:
    """The loss of one batch of n tokens, and what it was computed from.

    Attributes
    ----------
    total
        Scalar with a gradient.
    codes
        The latents that were active.
    """

    total: torch.Tensor
    codes: Codes


@dataclass(frozen=True)
class _Pass:
    """errors: (..., n, d), the last of which is that of the whole dictionary."""

    codes: Codes
    errors: torch.Tensor
    penalty: torch.Tensor | float = 0.0


def loss(sae: SparseAutoencoder, acts: torch.Tensor, recipe: Recipe, dead: torch.Tensor) -> Loss:
    """The loss on a batch (n, d) of centred and scaled activations.

    Parameters
    ----------
    dead
        Numbers of the latents to revive.
    """
    made = _VARIANTS[sae.variant](sae, acts, recipe)
    errors = made.errors.flatten()
    # One pass each way, where square, sum and mean would take several.
    total = errors.dot(errors) / (made.errors.numel() // acts.shape[1]) + made.penalty
    if len(dead):
        error = made.errors.view(-1, *acts.shape)[-1]
        total = total + AUX_WEIGHT * auxiliary_loss(sae, acts, error, dead)
    return Loss(total, made.codes)


def auxiliary_loss(
    sae: SparseAutoencoder, acts: torch.Tensor, error: torch.Tensor, dead: torch.Tensor
) -> torch.Tensor:
    """AuxK: how badly dead latents explain what the living ones leave over (Gao et al. 2024).

        sum_n ||e_n - W_dec^T z_n||^2 / sum_n ||e_n||^2

    with e = a - a_hat held fixed and z the k largest pre-activations among the dead latents. No
    bias of the decoder enters again. Unlike theirs, z is not rectified: dead latents overlap, so
    together they overshoot at first, are pushed below zero, and would stay there for good.

    Parameters
    ----------
    error
        a_hat - a, (n, d).
    dead
        Their numbers.
    """
    target = -error.detach()
    pre = torch.addmm(sae.b_enc[dead], acts, sae.w_enc[dead].T)
    if sae.k < len(dead):
        chosen = selection.top_k(pre.detach(), sae.k)
        pre = torch.zeros_like(pre).scatter(1, chosen, pre.gather(1, chosen))
    missed = target - pre @ sae.w_dec[dead]
    return missed.square().sum() / target.square().sum().clamp_min(torch.finfo(acts.dtype).tiny)


def _topk(sae: SparseAutoencoder, acts: torch.Tensor, recipe: Recipe) -> _Pass:
    pattern = selection.top_k_pattern(_blocks(sae, acts, recipe), sae.k)
    return _reconstruct(sae, acts, pattern)


def _relu(sae: SparseAutoencoder, acts: torch.Tensor, recipe: Recipe) -> _Pass:
    pattern, _ = selection.pattern_above(_blocks(sae, acts, recipe), sae.threshold)
    made = _reconstruct(sae, acts, pattern)
    return replace(made, penalty=recipe.l1 * made.codes.values.sum() / len(acts))


def _batchtopk(sae: SparseAutoencoder, acts: torch.Tensor, recipe: Recipe) -> _Pass:
    return _reconstruct(sae, acts, _largest(sae, acts, recipe))


def _matryoshka(sae: SparseAutoencoder, acts: torch.Tensor, recipe: Recipe) -> _Pass:
    """The errors of all nested dictionaries: (nested, n, d)."""
    pattern = _largest(sae, acts, recipe)
    values = sae.pre_activations_at(acts, pattern).relu()
    n, m = pattern.height, pattern.width
    # Each latent is new in one of the dictionaries: with the latents of each as rows of their
    # own, the sums up to a dictionary are its reconstruction.
    ends = torch.tensor([max(1, m // part) for part in NESTED], device=acts.device)
    member = torch.bucketize(pattern.columns, ends, right=True)
    rows, order = (member * n + pattern.rows).sort(stable=True)
    by_dictionary = Pattern.of_rows(rows, pattern.columns[order], len(ends) * n, m)
    added = sparse_product(values[order], sae.w_dec, by_dictionary)
    rebuilt = added.view(len(ends), n, -1).cumsum(0) + sae.b_dec
    return _Pass(Codes(pattern, values), rebuilt - acts)


def _jumprelu(sae: SparseAutoencoder, acts: torch.Tensor, recipe: Recipe) -> _Pass:
    """With the penalty (L0 / k - 1)^2, whose gradient reaches the thresholds alone."""
    blocks = _blocks(sae, acts, recipe)
    # Entries a little below their threshold have a say in where it moves.
    pattern, _ = selection.pattern_above(blocks, sae.threshold - BANDWIDTH / 2)
    pre = sae.pre_activations_at(acts, pattern)
    threshold = sae.threshold.index_select(0, pattern.columns)
    codes = Codes(pattern, _JumpReLU.apply(pre, threshold))
    l0 = _Step.apply(pre, threshold).sum() / len(acts)
    return _Pass(codes, sae.decode_codes(codes) - acts, L0_WEIGHT * (l0 / recipe.k - 1).square())


_VARIANTS: dict[str, Callable[[SparseAutoencoder, torch.Tensor, Recipe], _Pass]] = {
    "topk": _topk,
    "batchtopk": _batchtopk,
    "relu": _relu,
    "jumprelu": _jumprelu,
    "matryoshka": _matryoshka,
}


def _blocks(
    sae: SparseAutoencoder, acts: torch.Tensor, recipe: Recipe
) -> Iterator[tuple[int, torch.Tensor]]:
    return selection.pre_activations(acts, sae.w_enc, sae.b_enc, recipe.precision)


def _largest(sae: SparseAutoencoder, acts: torch.Tensor, recipe: Recipe) -> Pattern:
    """The k largest entries per token on average; their smallest is the next batch's guess."""
    pattern, smallest = selection.largest_pattern(
        lambda: _blocks(sae, acts, recipe), sae.k * len(acts), float(sae.threshold[0])
    )
    with torch.no_grad():
        sae.threshold.fill_(smallest)
    return pattern


def _reconstruct(sae: SparseAutoencoder, acts: torch.Tensor, pattern: Pattern) -> _Pass:
    codes = Codes(pattern, sae.pre_activations_at(acts, pattern).relu())
    return _Pass(codes, sae.decode_codes(codes) - acts)


class _JumpReLU(Function):
    """x if it is above its threshold, else 0; with a pseudo-derivative for the threshold.

    The derivative of the expected loss, by a rectangular kernel of width BANDWIDTH (Rajamanoharan
    et al. 2024, section 3).
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, threshold)
        return x * (x > threshold)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, threshold = ctx.saved_tensors
        return grad * (x > threshold), -threshold * grad * _kernel(x - threshold)


class _Step(Function):
    """1 if x is above its threshold, else 0; it has a pseudo-derivative for the threshold alone."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, threshold)
        return (x > threshold).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[None, torch.Tensor]:
        x, threshold = ctx.saved_tensors
        return None, -grad * _kernel(x - threshold)


def _kernel(offset: torch.Tensor) -> torch.Tensor:
    return (offset.abs() <= BANDWIDTH / 2) / BANDWIDTH
