"""Kinds of token apart, and large tokens: each number is what a direct computation gives."""

import numpy as np
import pytest
import torch

from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample
from tickle_core.dictionaries.token_kinds import TokenKinds, TokenSizes

IMAGES, POSITIONS, D, LATENTS, K = 60, 6, 5, 12, 2
PREFIX = ["class", "register", "register"]
PLACES = {"class": [0], "register": [1, 2], "patch": [3, 4, 5]}


def normal(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def sae():
    made = SparseAutoencoder(D, LATENTS, "topk", K)
    with torch.no_grad():
        made.w_dec.copy_(torch.nn.functional.normalize(normal(LATENTS, D, seed=1)))
        made.w_enc.copy_(made.w_dec)
        made.w_enc[-3:] *= 20  # always among the first
    return made


@pytest.fixture
def tokens():
    made = normal(IMAGES, POSITIONS, D)
    made[:, 0] += 30  # class tokens stand far from the others
    return made


def test_each_kind_is_judged_around_its_own_mean(sae, tokens):
    kinds = TokenKinds(PREFIX, POSITIONS, tokens.mean((0, 1)), LATENTS)
    dense, rebuilt = [], []
    with torch.no_grad():
        for block in tokens.split(25):
            codes = sae.codes(block.flatten(0, 1))
            rebuilt.append(sae.decode_codes(codes).view_as(block))
            dense.append(codes.dense().view(len(block), POSITIONS, LATENTS))
            kinds.add(block, rebuilt[-1], codes)
    dense, rebuilt = torch.cat(dense), torch.cat(rebuilt)
    found, densities = kinds.metrics(seed=0), kinds.densities()
    assert list(found) == list(PLACES)
    for kind, places in PLACES.items():
        part = tokens[:, places].double()
        error = (rebuilt[:, places] - part).square().sum()
        expected = float(error / (part - part.mean((0, 1))).square().sum())
        assert found[kind]["positions"] == len(places)
        around = (tokens - tokens.mean((0, 1))).double().square()
        held = float(around[:, places].sum() / around.sum())
        assert found[kind]["variance_share"]["value"] == pytest.approx(held, rel=1e-5)
        assert found[kind]["fvu"]["value"] == pytest.approx(expected, rel=1e-5)
        fires = dense[:, places] > 0
        assert found[kind]["l0"]["value"] == pytest.approx(float(fires.sum(2).double().mean()))
        assert found[kind]["fvu"]["n"] == IMAGES
        alive = float(fires.any(0).any(0).double().mean())
        assert found[kind]["firing_share"]["value"] == pytest.approx(alive)
        np.testing.assert_allclose(
            densities[f"density_{kind}"], fires.double().mean((0, 1)), atol=1e-12
        )


def share_of(tokens):
    mean = tokens.flatten(0, 1).mean(0)
    scale = (tokens - mean).square().sum(2).mean().sqrt()
    sizes = TokenSizes(Sample(tokens.flatten(0, 1), mean, scale))
    for block in tokens.split(500):
        sizes.add(block)
    return sizes.share(seed=0)


def test_of_gaussian_tokens_the_large_ones_hold_what_chance_gives():
    tokens = normal(2000, 4, D) * torch.linspace(0.3, 3, D)
    found = share_of(tokens)
    low, high = found["interval"]
    assert low < found["null"]["value"] < high
    sizes = (tokens - tokens.mean((0, 1))).square().sum(2).flatten().sort().values
    assert found["value"] == pytest.approx(float(sizes[-80:].sum() / sizes.sum()), rel=0.02)


def test_a_few_planted_large_tokens_hold_most():
    tokens = normal(2000, 4, D)
    tokens[::50, 0] *= 60
    found = share_of(tokens)
    assert found["value"] > 0.8
    assert found["null"]["value"] < 0.1
