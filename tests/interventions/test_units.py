"""Units read coefficients and write along directions, whatever they are."""

import pytest
import torch
from torch.nn import functional as F

from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.interventions.units import Directions, Latents, channels

D, UNITS, IMAGES, POSITIONS = 6, 20, 5, 7


def latents(variant="topk"):
    torch.manual_seed(0)
    sae = SparseAutoencoder(D, UNITS, variant, 3)
    with torch.no_grad():
        sae.w_dec.copy_(F.normalize(torch.randn(UNITS, D)))
        sae.w_enc.copy_(sae.w_dec + 0.1 * torch.randn(UNITS, D))
        sae.b_enc.normal_()
    return Latents(sae)


FAMILIES = {
    "channels": channels(D, torch.device("cpu")),
    "directions": Directions(F.normalize(torch.randn(UNITS, D, generator=torch.manual_seed(1)))),
    "topk": latents(),
    "relu": latents("relu"),
}


@pytest.fixture
def tokens():
    return torch.randn(IMAGES, POSITIONS, D, generator=torch.manual_seed(2))


def all_coefficients(units, tokens):
    everything = torch.arange(len(units.directions))
    return units.coefficients(tokens.flatten(0, 1), everything)


def test_channels_read_the_tokens_themselves(tokens):
    torch.testing.assert_close(
        all_coefficients(FAMILIES["channels"], tokens), tokens.flatten(0, 1), rtol=0, atol=0
    )


@pytest.mark.parametrize("variant", ["topk", "relu"])
def test_latents_read_what_the_sae_encodes(tokens, variant):
    units = FAMILIES[variant]
    encoded = units.sae.encode(tokens).flatten(0, 1)
    torch.testing.assert_close(all_coefficients(units, tokens), encoded, rtol=0, atol=0)
    assert encoded.count_nonzero() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_some_units_are_read_in_the_order_asked_for(tokens, family):
    units, asked = FAMILIES[family], torch.tensor([4, 0, 3])
    whole = all_coefficients(units, tokens)
    found = units.coefficients(tokens.flatten(0, 1), asked)
    torch.testing.assert_close(found, whole[:, asked])


@pytest.mark.parametrize("family", FAMILIES)
def test_moments_are_sums_over_tokens(tokens, family):
    units = FAMILIES[family]
    whole = all_coefficients(units, tokens).double()
    sums, squares = units.moments(tokens.flatten(0, 1))
    torch.testing.assert_close(sums, whole.sum(0))
    torch.testing.assert_close(squares, whole.square().sum(0))


@pytest.mark.parametrize("family", FAMILIES)
def test_inner_is_the_slope_towards_losing_the_coefficients(tokens, family):
    """Against autograd: d/dt of a function of the tokens as the coefficients shrink by (1 - t)."""
    units = FAMILIES[family]
    weights = torch.randn(POSITIONS, D, generator=torch.manual_seed(3))

    def function(acts):
        return (acts.sin() * weights).sum((1, 2))

    acts = tokens.clone().requires_grad_()
    gradients = torch.autograd.grad(function(acts).sum(), acts)[0]
    found = units.inner(tokens, gradients)
    whole = all_coefficients(units, tokens).view(IMAGES, POSITIONS, -1)
    for unit, direction in enumerate(units.directions):
        part = whole[..., unit, None] * direction
        kept = torch.ones((), requires_grad=True)
        for image in range(IMAGES):
            value = function(tokens[image : image + 1] - part[image : image + 1] * (1 - kept))
            slope = torch.autograd.grad(value.sum(), kept)[0]
            torch.testing.assert_close(found[image, unit], slope, rtol=1e-4, atol=1e-5)
