"""Activation stores with a known content."""

import numpy as np
import pytest

from tickle_core import arrays
from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.dictionaries.recipe import MAIN, recipes
from tickle_core.params.sae import Sae

D, ATOMS, ACTIVE = 32, 64, 3
IMAGES, POSITIONS = 4000, 16


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """Tokens that are sums of 3 of 64 unit directions, and the directions (64, 32)."""
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((ATOMS, D))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    chosen = rng.random((IMAGES * POSITIONS, ATOMS)).argsort(axis=1)[:, :ACTIVE]
    weights = rng.uniform(0.5, 1.5, (IMAGES * POSITIONS, ACTIVE, 1))
    tokens = (atoms[chosen] * weights).sum(1) + 5.0  # far from the origin
    path = tmp_path_factory.mktemp("planted") / "a.zarr"
    return make_store(path, tokens.reshape(IMAGES, POSITIONS, D).astype(np.float32)), atoms


@pytest.fixture
def store_of(tmp_path):
    """Makes a store of tokens (N, positions, d), given as they are stored."""

    def make(tokens, dtype="float32", name="a", labels=None):
        return make_store(tmp_path / f"{name}.zarr", tokens, dtype, labels)

    return make


def make_store(path, tokens, dtype="float32", labels=None):
    """A store of the tokens (N, positions, d); every fourth image is held out."""
    count, positions, d = tokens.shape
    ids = np.arange(count)
    layout = writer.Layout(positions, d, 2, [], [4, positions // 4], dtype, count)
    writer.create_store(path, layout, ids, ids % 2 if labels is None else labels, ids % 4 == 0)
    pooled, logits = tokens.mean(1), np.zeros((count, 2), np.float32)
    writer.StoreWriter(path).add(0, pooled, logits, tokens)
    assert arrays.shard_count(open_store(path).tokens) == 1
    return open_store(path)


@pytest.fixture(scope="session")
def section():
    """A recipe that is quick on the planted tokens."""

    def make(**changes):
        default = {
            "variant": "topk",
            "latents": 2 * ATOMS,
            "k": ACTIVE,
            "layers": {},
            "l1": 0.1,
            "precision": "float32",
            "seeds": 1,
            "companions": {},
            "tokens": 1_500_000,
            "batch_size": 1024,
            "learning_rate": 0.003,
            "dead_after": 100_000,
            "patience": 50,
            "buffer_mib": 64,
            "top_images": 5,
            "heat_maps": 2,
        }
        return Sae(**(default | changes))

    return make


@pytest.fixture(scope="session")
def recipe(section):
    """The main SAE's recipe of such a section."""

    def make(**changes):
        return recipes(section(**changes), seed=0)[MAIN]

    return make
