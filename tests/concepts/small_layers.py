"""A layer whose tokens and tail are known, as the items of concepts."""

from types import SimpleNamespace

import numpy as np
import torch

from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.concepts.layer import LayerItems
from tickle_core.models.splicing import Splice
from tickle_core.models.split import Tail


def make_layer(path, tokens, items, tail, prefix=(), grid=None):
    """Layer items and splice of tokens (n, positions, d) of the natural items, and a tail."""
    count, positions, d = tokens.shape
    acts = torch.from_numpy(tokens.astype(np.float32))
    logits = tail(acts).detach().numpy()
    ids = np.arange(count)
    layout = writer.Layout(positions, d, logits.shape[1], list(prefix), grid, "float32", count)
    writer.create_store(path, layout, ids, items.stratum[:count], items.is_test[:count])
    pooled = acts[:, len(prefix) :].mean(1).numpy()
    writer.StoreWriter(path).add(0, pooled, logits, acts.numpy())
    store = open_store(path)
    splice = Splice(
        tail=Tail("layer", torch.Size([positions, d]), lambda acts, inputs: tail(acts)),
        layer={"layout": "NTC", "shape": [positions, d]},
        targets=np.full(count, -1),
        classifier=SimpleNamespace(device=torch.device("cpu")),
        images=SimpleNamespace(images=np.empty((count, 400, 400, 1), np.uint8)),
    )
    extra = np.empty((0, positions, d), np.float32)
    return LayerItems(store, ids, pooled, extra), splice
