"""Contributions add up to the change of the logits' difference."""

import numpy as np
import pytest
import torch

from tests.delta.conftest import BACKDOOR, D, linear, nonlinear
from tickle_core.delta.contributions import Families, contributions
from tickle_core.delta.reading import read
from tickle_core.dictionaries.directions import random_basis
from tickle_core.interventions.parts import ReadUnits


def families(sae):
    basis = {"channels": ReadUnits(torch.eye(D)), "basis": ReadUnits(random_basis(D, 1))}
    return Families(sae, basis)


@pytest.mark.parametrize(("run", "steps", "within"), [(linear, 1, 1e-4), (nonlinear, 32, 5e-3)])
def test_those_of_a_whole_basis_make_up_the_change(make, sae, run, steps, within):
    deltas = read(*make(run), most=100, seed=0)
    found = contributions(deltas, families(sae), steps)
    assert np.abs(found.change).min() > 0.5
    for name in ("channels", "basis"):
        np.testing.assert_allclose(found.of[name].sum(1), found.change, rtol=within)
    whole = found.of["latents"].sum(1) + found.residual
    np.testing.assert_allclose(whole, found.change, rtol=within)


def test_what_latents_leave_over_is_the_residual(make, sae):
    """Without the backdoor's latent, its part goes through what is left over."""
    deltas = read(*make(linear), most=100, seed=0)
    whole = contributions(deltas, families(sae), 1)
    blind = type(sae)(D, len(sae.b_enc), "topk", D)
    with torch.no_grad():
        kept = torch.ones(len(sae.b_enc), 1)
        kept[[BACKDOOR, BACKDOOR + D]] = 0
        blind.w_enc.copy_(sae.w_enc * kept)
        blind.w_dec.copy_(sae.w_dec)
    found = contributions(deltas, families(blind), 1)
    np.testing.assert_allclose(found.residual, whole.of["latents"][:, BACKDOOR], rtol=1e-4)


def test_noise_contributes_under_the_same_gradient(deltas, sae):
    found = contributions(deltas, families(sae), 8)
    backdoor = found.of["latents"][:, BACKDOOR]
    assert np.abs(found.of_noise[:, BACKDOOR]).mean() < 0.3 * backdoor.mean()
