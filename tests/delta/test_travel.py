"""How far perturbations are, and what the SAE explains of them, by hand."""

import numpy as np
import pytest
import torch

from tests.circuits.small_layers import random_latents
from tests.delta.conftest import D
from tickle_core.delta.travel import travel


def squares(tensor):
    return tensor.double().square().sum((1, 2)).numpy()


def test_the_difference_is_latents_and_what_they_leave_over(deltas):
    """da = D dz + residual, and the numbers are those of a direct computation."""
    sae = random_latents(D, 24, k=3).sae
    clean, moved = (torch.from_numpy(deltas.tokens[kind]) for kind in ("clean", "adversarial"))
    change = moved - clean
    with torch.no_grad():
        through = (sae.encode(moved) - sae.encode(clean)) @ sae.w_dec
        rebuilt = sae.decode(sae.encode(clean))
    found = travel(deltas, sae, 0)
    left = squares(change - through).sum() / squares(change).sum()
    assert found["unexplained"]["value"] == pytest.approx(left, rel=1e-4)
    distance = np.sqrt(squares(change)).sum() / np.sqrt(squares(clean)).sum()
    assert found["distance"]["value"] == pytest.approx(distance, rel=1e-4)
    fvu = squares(clean - rebuilt).sum() / squares(clean - clean.mean((0, 1))).sum()
    assert found["unexplained"]["clean"]["value"] == pytest.approx(fvu, rel=1e-4)


def test_nothing_is_left_over_where_latents_are_a_basis(deltas, sae):
    found = travel(deltas, sae, 0)
    assert found["unexplained"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["distance"]["stranger"]["n"] == len(deltas)
