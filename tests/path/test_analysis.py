"""The stage as a whole, on a network that reads the brightness of an image's parts."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.datasets import image_set
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.geometry import clouds
from tickle_core.models import splicing
from tickle_core.models.classifier import Classifier
from tickle_core.models.layers import survey
from tickle_core.params.attack import Attack
from tickle_core.params.extract import Extract
from tickle_core.params.path import Path
from tickle_core.path import analysis
from tickle_core.path.spaces import Layer

COUNT, SIDE = 60, 8
NAMES = ["a", "b", "c"]
EXTRACT = Extract(train_images=None, test_images=None, batch_size=32, dtype="float32", shard_mib=1)
ATTACK = Attack(
    images=10,
    linf=["16/255"],
    l2=[],
    studied={"norm": "linf", "eps": "16/255"},
    target=None,
    steps=5,
    step=0.3,
    restarts=0,
    confidence=1.0,
    noise_draws=2,
    shown=1,
)


def section(**changes):
    default = {"pairs": 3, "classes": [], "segments": 8, "steps": 3, "parts": 9}
    return Path(**(default | {"neighbours": 6, "shown": 1} | changes))


def flips(*rows):
    return pd.DataFrame(rows, columns=["own", "became", "count"])


class Reads(nn.Module):
    """Channels of a convolution, and logits that are a linear function of their means."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(1, 6, 4, stride=4), nn.Softplus())
        self.read = nn.Linear(24, 3)

    def forward(self, x):
        return self.read(self.layer(x).flatten(1))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Light in one of three quarters."""
    path, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    pixels = rng.integers(0, 90, (COUNT, SIDE, SIDE, 1))
    for row in range(COUNT):
        top, left = ((0, 0), (0, 4), (4, 0))[row % 3]
        pixels[row, top : top + 4, left : left + 4] += 120
    hashes = image_set.write_images(path, pixels.astype(np.uint8), COUNT, (SIDE, SIDE, 1), NAMES)
    labels = [i % 3 for i in range(COUNT)]
    image_set.write_table(path, ["test"] * COUNT, labels, ["x"] * COUNT, hashes, NAMES)
    return image_set.ImageSet.open(path)


@pytest.fixture(scope="module")
def layer_of(images, tmp_path_factory):
    def make(tilt):
        """Quarters speak for classes; `tilt` speaks for the first one whatever the image."""
        network = Reads().eval()
        with torch.no_grad():
            rng = torch.Generator().manual_seed(0)
            network.layer[0].weight.copy_(torch.rand(6, 1, 4, 4, generator=rng))
            network.layer[0].bias.fill_(-4)
            read = torch.zeros(3, 6, 4)
            for name in range(3):
                read[name, :, name] = 1
            network.read.weight.copy_(read.flatten(1))
            network.read.bias.copy_(torch.tensor([tilt, 0.0, 0.0]))
        layers = survey(network, torch.rand(1, 1, SIDE, SIDE))
        layers["layer"]["linear_tail"] = True
        card = {
            "preprocessing": {"mean": [0.0], "std": [1.0]},
            "layers": layers,
            "class_names": NAMES,
            "classes_of_dataset": {name: place for place, name in enumerate(NAMES)},
        }
        classifier = Classifier(network, card, torch.device("cpu"))
        path = tmp_path_factory.mktemp("store") / "store.zarr"
        extract(classifier, images, np.arange(COUNT), [Target("l", "layer", path)], EXTRACT)
        store = open_store(path)
        first, near = clouds.distinct(store.pooled(), 20)
        cloud = clouds.Cloud(store.pooled()[first], first, near, 0)
        torch.manual_seed(0)
        sae = SparseAutoencoder(6, 12, "topk", 2)
        splice = splicing.splice(classifier, images, "layer")
        return Layer("l", "layer", store, cloud, splice, sae)

    return make


@pytest.fixture(scope="module")
def found(layer_of):
    return analysis.analyse(layer_of(0.0), flips((0, 1, 5), (1, 2, 3)), ATTACK, section(), 0)


def test_paths_of_least_cost_cost_least_and_no_less_than_they_rise(found):
    paths = found.tables["paths"]
    assert (paths["cost"] >= paths["rise"] * (1 - 1e-3)).all()
    for _, several in paths.groupby("space"):
        costs = several.pivot(index="pair", columns="way", values="cost")
        assert (costs["string"] <= costs["straight"] * 1.001).all()
    assert found.metrics["pixels"]["excess"]["value"] >= -1e-3


def test_behind_a_linear_tail_the_straight_line_is_the_cheapest(found):
    """Its gradient is the same everywhere, so that cost is length."""
    layer = found.tables["paths"].query("space == 'layer'")
    costs = layer.pivot(index="pair", columns="way", values="cost")
    np.testing.assert_allclose(costs["string"], costs["straight"], rtol=1e-3)
    assert found.metrics["linear_tail"]


def test_paths_lead_from_one_class_to_the_other(found):
    profiles = found.tables["profiles"]
    paths = found.tables["paths"].set_index(["space", "way", "pair"])
    for key, points in profiles.groupby(["space", "way", "pair"]):
        predicted = points.sort_values("step")["predicted"].tolist()
        assert predicted[0] == paths.loc[key, "first"]
        assert predicted[-1] == paths.loc[key, "last"]
        assert 0 < paths.loc[key, "flip"] <= 1


def test_attributions_of_paths_add_up(found):
    assert found.metrics["residual"]["value"] < 0.02
    assert {way for way, _ in found.maps} == set(analysis.ATTRIBUTED)
    assert all(values.shape == (SIDE, SIDE) for values in found.maps.values())


def test_it_is_seeded_and_ready_for_json(found, layer_of):
    again = analysis.analyse(layer_of(0.0), flips((0, 1, 5), (1, 2, 3)), ATTACK, section(), 0)
    assert json.loads(json.dumps(again.metrics, allow_nan=False)) == found.metrics
    for name, table in found.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])
    assert found.metrics["pairs"] == 3 and found.metrics["classes"] == 2


def test_where_all_images_are_one_class_no_path_leads_anywhere(layer_of, found):
    nothing = analysis.analyse(layer_of(1000.0), flips(), ATTACK, section(), 0)
    assert nothing.metrics == {"pairs": 0, "why": analysis.ONE_CLASS}
    for name, table in nothing.tables.items():
        assert len(table) == 0 and list(table.columns) == list(found.tables[name].columns)
    assert not nothing.strips and not nothing.maps
