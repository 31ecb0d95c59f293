"""A small network with stores, splices and an SAE; and layers whose tail is known."""

import numpy as np
import pytest
import torch

from tickle_core.activations import writer
from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.datasets import image_set
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.interventions.units import Latents, channels
from tickle_core.models import splicing
from tickle_core.models.assembly import assemble
from tickle_core.models.classifier import Classifier
from tickle_core.models.split import Tail
from tickle_core.models.zoo.registry import small_resnet
from tickle_core.params.circuits import Circuits
from tickle_core.params.extract import Extract

COUNT = 96
# The second is no clean cut: its input reaches the logits beside it.
LAYERS = ("layer2", "layer2.0.conv1")
EXTRACT = Extract(train_images=None, test_images=None, batch_size=16, dtype="float32", shard_mib=1)


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Noise whose strength differs, every second one held out."""
    path = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (COUNT, 28, 28, 1)) // rng.integers(1, 6, (COUNT, 1, 1, 1))
    names = ["a", "b", "c"]
    pixels = pixels.astype(np.uint8)
    hashes = image_set.write_images(path, pixels, COUNT, (28, 28, 1), names)
    splits = ["train" if i % 2 else "test" for i in range(COUNT)]
    labels = [i % 3 for i in range(COUNT)]
    image_set.write_table(path, splits, labels, [str(i) for i in range(COUNT)], hashes, names)
    return image_set.ImageSet.open(path)


@pytest.fixture(scope="session")
def model(images):
    """A residual network of random weights that predicts all three classes."""
    made = assemble(small_resnet(images), images, 0, torch.device("cpu"))
    with torch.no_grad():
        made.network.fc.weight *= 20
        made.network.fc.bias -= made.network(made.preprocess(images.read(range(COUNT)))).mean(0)
    return made


@pytest.fixture(scope="session")
def layers(images, model, tmp_path_factory):
    """Store and splice of each layer of the network, by module path."""
    folder = tmp_path_factory.mktemp("stores")
    targets = [Target(f"l{i}", module, folder / str(i)) for i, module in enumerate(LAYERS)]
    extract(model, images, np.arange(COUNT), targets, EXTRACT)
    return {
        target.module: (open_store(target.path), splicing.splice(model, images, target.module))
        for target in targets
    }


@pytest.fixture(scope="session")
def families_of():
    """Channels and the latents of a random SAE, for a layer of width d."""

    def make(d, latents=48, k=5):
        sae = SparseAutoencoder(d, latents, "topk", k)
        with torch.no_grad():
            sae.w_dec.copy_(torch.randn(latents, d, generator=torch.Generator().manual_seed(0)))
            sae.normalize_decoder()
            sae.w_enc.copy_(sae.w_dec)
        return {"channels": channels(d, torch.device("cpu")), "latents": Latents(sae)}

    return make


@pytest.fixture
def layer_of(tmp_path, images):
    """Makes store and splice of a layer with given tokens (N, positions, d) and a given tail."""

    def make(tokens, tail, prefix=(), grid=None, dtype="float32", is_test=None, name="a"):
        tokens = torch.as_tensor(tokens, dtype=torch.float32)
        logits = tail(tokens).detach().numpy()
        count, positions, d = tokens.shape
        classes = logits.shape[1]
        ids = np.arange(count)
        path = tmp_path / f"{name}.zarr"
        layout = writer.Layout(positions, d, classes, list(prefix), grid, dtype, count)
        is_test = ids % 2 == 0 if is_test is None else is_test
        writer.create_store(path, layout, ids, ids % classes, is_test)
        pooled = tokens[:, len(prefix) :].mean(1).numpy()
        stored = tokens.numpy()
        if dtype == "bfloat16":
            stored = tokens.bfloat16().view(torch.int16).numpy().view(np.uint16)
        writer.StoreWriter(path).add(0, pooled, logits, stored.astype(writer.STORED_AS[dtype]))
        layer = {"layout": "NTC", "shape": [positions, d]}
        splice = splicing.Splice(
            tail=Tail("a", torch.Size([positions, d]), lambda acts, _: tail(acts)),
            layer=layer,
            targets=ids % classes,
            classifier=Classifier(
                torch.nn.Identity(),
                {"class_names": [f"class {i}" for i in range(classes)]},
                torch.device("cpu"),
            ),
            images=images,
        )
        return open_store(path), splice

    return make


@pytest.fixture(scope="session")
def section():
    """The section `circuits` of params.yaml, small."""

    def make(**changes):
        default = {
            "images": 24,
            "units": 4,
            "directions": 4,
            "band_draws": 2,
            "null_draws": 2,
            "classes": 3,
            "pairs": 4,
            "patched_share": 0.1,
            "traces": 6,
            "sites": 256,
            "examples": 2,
        }
        return Circuits(**(default | changes))

    return make
