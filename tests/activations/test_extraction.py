"""Extraction: the stored numbers are the network's, whatever else the pass does."""

import numpy as np
import pytest
import torch
from torch import nn

from tickle_core.activations import extraction
from tickle_core.activations.extraction import Target
from tickle_core.activations.store import open_store
from tickle_core.datasets import image_set
from tickle_core.errors import TickleError
from tickle_core.models import classifier, layers
from tickle_core.models.assembly import assemble
from tickle_core.models.split import tail_of
from tickle_core.models.tokens import from_tokens
from tickle_core.models.zoo.registry import small_resnet
from tickle_core.params.extract import Extract

COUNT = 70
LAYERS = {"early": "layer1", "late": "layer3", "head": "fc"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28, 1), dtype=np.uint8)
    names = ["a", "b"]
    hashes = image_set.write_images(path, pixels, COUNT, (28, 28, 1), names)
    splits = ["test" if i % 4 == 0 else "train" for i in range(COUNT)]
    labels = [i % 2 for i in range(COUNT)]
    image_set.write_table(path, splits, labels, [str(i) for i in range(COUNT)], hashes, names)
    return image_set.ImageSet.open(path)


@pytest.fixture(scope="module")
def model(images):
    return assemble(small_resnet(images), images, 0, torch.device("cpu"))


def section(**changes):
    default = {
        "train_images": None,
        "test_images": None,
        "batch_size": 8,
        "dtype": "float32",
        "shard_mib": 1,
    }
    return Extract(**(default | changes))


def targets(folder, layers=LAYERS):
    return [Target(alias, module, folder / f"{alias}.zarr") for alias, module in layers.items()]


def everything(path):
    return {p.relative_to(path): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_stored_numbers_are_the_networks(tmp_path, images, model):
    ids = np.arange(0, COUNT, 3)
    extraction.extract(model, images, ids, targets(tmp_path), section())
    with torch.inference_mode():
        x = model.preprocess(images.read(ids))
        maps = nn.Sequential(model.network.stem, model.network.layer1)(x)
        logits = model.network(x)
    early = open_store(tmp_path / "early.zarr")
    tokens = np.concatenate([t for _, t in early.token_blocks(np.arange(len(ids)))])
    expected = maps.permute(0, 2, 3, 1).reshape(len(ids), 14 * 14, 32).numpy()
    np.testing.assert_allclose(tokens, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(early.pooled(), expected.mean(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(early.logits(), logits.numpy(), rtol=1e-4, atol=1e-5)
    assert early.grid == [14, 14]
    head = open_store(tmp_path / "head.zarr")
    assert head.grid is None
    assert head.tokens.shape == (len(ids), 1, 2)
    np.testing.assert_array_equal(head.image_ids, ids)
    np.testing.assert_array_equal(head.is_test, ids % 4 == 0)


def test_a_layer_alone_gives_the_same_bytes_as_in_company(tmp_path, images, model):
    ids = np.arange(COUNT)
    extraction.extract(model, images, ids, targets(tmp_path / "all"), section())
    for alias, module in LAYERS.items():
        extraction.extract(
            model, images, ids, targets(tmp_path / "alone", {alias: module}), section()
        )
        assert everything(tmp_path / "all" / f"{alias}.zarr") == everything(
            tmp_path / "alone" / f"{alias}.zarr"
        )


def test_a_pass_that_broke_off_is_taken_up_to_the_same_bytes(tmp_path, images, model, monkeypatch):
    """Layers have shards of different length, so the break leaves them at different rows."""
    ids = np.arange(COUNT)
    extraction.extract(model, images, ids, targets(tmp_path / "whole"), section())
    calls = []
    forward = extraction.forward

    def breaking(*arguments):
        calls.append(arguments)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return forward(*arguments)

    monkeypatch.setattr(extraction, "forward", breaking)
    # A MiB holds 32 images of the early layer, but all images of the others.
    with pytest.raises(KeyboardInterrupt):
        extraction.extract(model, images, ids, targets(tmp_path / "broken"), section())
    calls.clear()
    calls.extend([None] * 100)
    extraction.extract(model, images, ids, targets(tmp_path / "broken"), section())
    for alias in LAYERS:
        assert everything(tmp_path / "whole" / f"{alias}.zarr") == everything(
            tmp_path / "broken" / f"{alias}.zarr"
        )
    before = len(calls)
    extraction.extract(model, images, ids, targets(tmp_path / "broken"), section())
    assert len(calls) == before  # nothing is lacking, so no batch is computed


@pytest.mark.parametrize(("dtype", "digits"), [("float16", 11), ("bfloat16", 8)])
def test_half_precisions_keep_their_digits(tmp_path, images, model, dtype, digits):
    ids = np.arange(20)
    only = {"late": "layer3"}
    extraction.extract(model, images, ids, targets(tmp_path / "full", only), section())
    extraction.extract(model, images, ids, targets(tmp_path / "half", only), section(dtype=dtype))
    (_, full), *_ = open_store(tmp_path / "full/late.zarr").token_blocks(ids)
    (_, half), *_ = open_store(tmp_path / "half/late.zarr").token_blocks(ids)
    np.testing.assert_allclose(half.astype(np.float32), full, rtol=2.0**-digits, atol=1e-7)
    if dtype == "bfloat16":
        np.testing.assert_array_equal(half, torch.from_numpy(full).bfloat16().float().numpy())


class Scaled(nn.Module):
    """Overwrites its input in place behind the captured layer, and scales what it captures."""

    def __init__(self, factor):
        super().__init__()
        self.scale = nn.Conv2d(1, 2, 1, bias=False)
        nn.init.constant_(self.scale.weight, factor)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.scale(x)
        out.mul_(-1)
        return self.relu(out).mean((2, 3))


def scaled(factor, images):
    network = Scaled(factor).eval()
    card = {
        "class_names": ["a", "b"],
        "preprocessing": {"mean": [0.0], "std": [1.0]},
        "layers": layers.survey(network, torch.zeros(1, 1, 28, 28)),
    }
    return classifier.Classifier(network, card, torch.device("cpu"))


def test_in_place_operations_do_not_reach_what_was_captured(tmp_path, images):
    only = targets(tmp_path, {"scale": "scale"})
    extraction.extract(scaled(2.0, images), images, np.arange(5), only, section())
    (_, tokens), *_ = open_store(only[0].path).token_blocks(np.arange(5))
    expected = images.read(np.arange(5)).reshape(5, -1, 1).repeat(2, 2) / 255 * 2
    np.testing.assert_allclose(tokens, expected, rtol=1e-5)


def test_overflow_names_the_layer(tmp_path, images):
    only = targets(tmp_path, {"scale": "scale"})
    with pytest.raises(TickleError, match=r"layer scale \(scale\).*float16.*bfloat16"):
        extraction.extract(
            scaled(1e6, images), images, np.arange(5), only, section(dtype="float16")
        )


class TinyTransformer(nn.Module):
    """A class token, two registers and 7 x 7 patches, as timm lays them out."""

    num_prefix_tokens, num_reg_tokens = 3, 2

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(1, 4, 4, 4)
        self.prefix = nn.Parameter(torch.randn(1, 3, 4))
        self.block = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        patches = self.embed(x).flatten(2).mT
        tokens = torch.cat([self.prefix.expand(len(x), -1, -1), patches], 1)
        return self.head(self.block(tokens)[:, 0])


def test_prefix_tokens_are_stored_but_not_pooled(tmp_path, images):
    torch.manual_seed(0)
    network = TinyTransformer().eval()
    card = {
        "class_names": ["a", "b"],
        "preprocessing": {"mean": [0.0], "std": [1.0]},
        "layers": layers.survey(network, torch.zeros(1, 1, 28, 28)),
    }
    model = classifier.Classifier(network, card, torch.device("cpu"))
    ids = np.arange(COUNT)
    only = targets(tmp_path, {"block": "block"})
    extraction.extract(model, images, ids, only, section())
    store = open_store(only[0].path)
    assert store.prefix == ["class", "register", "register"]
    assert store.grid == [7, 7]
    (_, tokens), *_ = store.token_blocks(ids)
    assert tokens.shape == (COUNT, 3 + 49, 4)
    np.testing.assert_allclose(store.pooled(), tokens[:, 3:].mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        network.head(torch.from_numpy(tokens[:, 0])).detach(), store.logits(), rtol=1e-4, atol=1e-5
    )


def test_what_is_stored_is_what_the_tail_takes(tmp_path, images, model):
    ids = np.arange(COUNT)
    extraction.extract(model, images, ids, targets(tmp_path), section())
    store = open_store(tmp_path / "early.zarr")
    (_, tokens), *_ = store.token_blocks(ids)
    acts = from_tokens(torch.from_numpy(tokens), model.card["layers"]["layer1"])
    tail = tail_of(model.network, "layer1", model.preprocess(images.read(ids[:1])))
    with torch.inference_mode():
        np.testing.assert_allclose(tail(acts), store.logits(), rtol=1e-4, atol=1e-5)


class Choosing(nn.Module):
    """Which of its layers an image goes through depends on the image."""

    def __init__(self, repeated):
        super().__init__()
        self.early, self.late = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1)
        self.repeated = repeated

    def forward(self, x):
        bright = bool(x.mean() > 0.5)
        x = self.early(x)
        for _ in range(1 if not bright else 2 if self.repeated else 0):
            x = self.late(x)
        return x.mean((2, 3))


@pytest.mark.parametrize("repeated", [True, False])
def test_a_layer_that_is_not_called_once_for_each_image_is_named(tmp_path, repeated):
    network = Choosing(repeated).eval()
    card = {
        "class_names": ["a", "b"],
        "preprocessing": {"mean": [0.0], "std": [1.0]},
        "layers": layers.survey(network, torch.zeros(1, 1, 28, 28)),
    }
    path = tmp_path / "images"
    path.mkdir()
    pixels = np.zeros((8, 28, 28, 1), np.uint8)
    pixels[4:] = 255
    hashes = image_set.write_images(path, pixels, 8, (28, 28, 1), ["a", "b"])
    image_set.write_table(path, ["test"] * 8, [0, 1] * 4, [""] * 8, hashes, ["a", "b"])
    model = classifier.Classifier(network, card, torch.device("cpu"))
    with pytest.raises(TickleError, match=r"layer late \(late\) is not called exactly once"):
        extraction.extract(
            model,
            image_set.ImageSet.open(path),
            np.arange(8),
            targets(tmp_path, {"late": "late"}),
            section(batch_size=4),
        )
