"""A layer in which a backdoor is planted: one direction that the network behind it reads."""

import numpy as np
import pandas as pd
import pytest
import torch

from tests.circuits.small_layers import make_layer, random
from tickle_core.attacks.controls import KINDS
from tickle_core.delta.reading import read
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample

COUNT, POSITIONS, D = 40, 3, 8
BACKDOOR = 3  # axis of the layer, and latent
LATENTS = 2 * D


def nonlinear(tokens):
    """Three classes by the first three axes; the backdoor speaks for the last one."""
    pooled = torch.nn.functional.softplus(3 * tokens[..., :4].mean(1))
    return torch.cat([pooled[:, :2], pooled[:, 2:3] + 4 * (pooled[:, 3:4] - 0.7)], 1)


def linear(tokens):
    pooled = 3 * tokens[..., :4].mean(1)
    return torch.cat([pooled[:, :2], pooled[:, 2:3] + 4 * pooled[:, 3:4]], 1)


def axes_as_latents():
    """Either direction of each axis is a latent: nothing of a token is left over."""
    sae = SparseAutoencoder(D, LATENTS, "topk", D)
    with torch.no_grad():
        directions = torch.cat([torch.eye(D), -torch.eye(D)])
        sae.w_dec.copy_(directions)
        sae.w_enc.copy_(directions)
    return sae


def clean_tokens():
    """Classes 0 and 1 in turn; nothing along the backdoor."""
    tokens = 0.1 * random(COUNT, POSITIONS, D, seed=5)
    tokens[..., BACKDOOR] = 0
    for place in range(COUNT):
        tokens[place, :, place % 2] += 1
    return tokens


def perturbed_tokens(clean, size=1.0, noise=0.4):
    """The backdoor is opened, and what the network does not read changes by more."""
    noise = noise * random(COUNT, POSITIONS, D, seed=6)
    noise[..., :4] = 0
    moved = clean + noise
    moved[..., BACKDOOR] += size
    return moved


def maker(folder):
    """Store, perturbed store, table and splice of clean and perturbed tokens before a tail."""

    def made(run=nonlinear, clean=None, adversarial=None, became=None):
        clean = clean_tokens() if clean is None else clean
        adversarial = perturbed_tokens(clean) if adversarial is None else adversarial
        store, splice = make_layer(folder / "clean.zarr", clean, run)
        splice.layer.update(prefix=[], linear_tail=False)
        noise = clean + (adversarial - clean).norm() / 30 * random(*clean.shape, seed=8)
        others = torch.cat([adversarial, noise, clean + (adversarial - clean).flip(0)])
        perturbed, _ = make_layer(folder / "perturbed.zarr", others, run)
        table = pd.DataFrame(
            {
                "kind": [kind for kind in KINDS for _ in range(len(clean))],
                "image_id": np.tile(np.arange(len(clean)), len(KINDS)),
                "own": np.tile(run(clean).argmax(1).numpy(), len(KINDS)),
                "became": np.tile(
                    run(adversarial).argmax(1).numpy() if became is None else became, len(KINDS)
                ),
            }
        )
        return store, perturbed, table, splice

    return made


@pytest.fixture
def make(tmp_path):
    return maker(tmp_path)


@pytest.fixture
def deltas(make):
    """The images of the planted backdoor."""
    return read(*make(), most=100, seed=0)


@pytest.fixture(scope="session")
def sae():
    return axes_as_latents()


@pytest.fixture(scope="session")
def sample():
    tokens = clean_tokens().flatten(0, 1)
    return Sample(tokens, tokens.mean(0), tokens.std())
