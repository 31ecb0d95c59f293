"""Layers whose tokens and tail are known."""

from types import SimpleNamespace

import numpy as np
import torch
from torch.nn import functional as F

from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.interventions.units import Latents
from tickle_core.models.splicing import Splice
from tickle_core.models.split import Tail


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_latents(d, latents, variant="topk", k=3):
    sae = SparseAutoencoder(d, latents, variant, k)
    with torch.no_grad():
        sae.w_dec.copy_(F.normalize(random(latents, d, seed=2)))
        sae.w_enc.copy_(sae.w_dec)
        sae.b_enc.copy_(0.1 * random(latents, seed=3))
        sae.b_dec.copy_(0.1 * random(d, seed=4))
    return Latents(sae)


def make_layer(path, tokens, run, prefix=()):
    """Store of the tokens (N, positions, d), all held out, and `run` as the network behind it."""
    count, positions, d = tokens.shape
    logits = run(tokens).detach().numpy()
    ids = np.arange(count)
    layout = writer.Layout(positions, d, logits.shape[1], list(prefix), None, "float32", count)
    writer.create_store(path, layout, ids, ids % 2, np.ones(count, bool))
    writer.StoreWriter(path).add(0, tokens.numpy().mean(1), logits, tokens.numpy())
    card = {"class_names": [f"class {i}" for i in range(logits.shape[1])]}
    return open_store(path), Splice(
        tail=Tail("layer", torch.Size([positions, d]), lambda acts, inputs: run(acts)),
        layer={"layout": "NTC", "shape": [positions, d]},
        targets=np.full(count, -1),
        classifier=SimpleNamespace(device=torch.device("cpu"), card=card),
        images=SimpleNamespace(images=np.empty((count, 28, 28, 1), np.uint8)),
    )
