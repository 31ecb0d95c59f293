"""Ways between images: their ends, their lengths, and what linear and constant networks say."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.connectedness import analysis, ways
from tickle_core.connectedness.along import Surroundings, look, surroundings
from tickle_core.connectedness.pairs import draw
from tickle_core.datasets import image_set
from tickle_core.geometry import clouds
from tickle_core.models import splicing
from tickle_core.models.classifier import Classifier
from tickle_core.models.layers import survey
from tickle_core.params.connectedness import Connectedness
from tickle_core.params.extract import Extract

COUNT, SIDE = 120, 6
SETTINGS = Connectedness(classes=4, pairs=10, points=8, neighbours=6, draws=5, shown=1)
EXTRACT = Extract(train_images=None, test_images=None, batch_size=32, dtype="float32", shard_mib=1)


# Pairs


def test_no_image_is_in_two_pairs_of_a_kind():
    predicted = np.random.default_rng(0).integers(0, 4, 200)
    found = draw(predicted, 3, 21, 0)
    assert len(found["within"]) == len(found["between"]) == 21
    for kind, pairs in found.items():
        assert len(np.unique(pairs.ends)) == pairs.ends.size
        same = pairs.classes[:, 0] == pairs.classes[:, 1]
        assert same.all() if kind == "within" else not same.any()
    assert set(found["within"].ends.ravel()) == set(found["between"].ends.ravel())


def test_where_a_class_has_few_others_give_more():
    predicted = np.repeat([0, 1, 2], [100, 40, 4])
    found = draw(predicted, 3, 30, 0)
    assert np.bincount(found["within"].classes[:, 0]).tolist() == [14, 14, 2]
    lonely = draw(np.zeros(30, int), 5, 20, 0)
    assert (len(lonely["within"]), len(lonely["between"])) == (15, 0)


# Ways


def ends(seed=0, d=7):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((2, 3, d)))


AT = torch.linspace(0, 1, 11, dtype=torch.float64)


def test_ways_begin_and_end_at_the_images():
    both = ends()
    lengths = np.array([1.0, 3.0])
    stations = torch.stack([both[0], both.mean(0), both[1]])
    for way in (ways.straight(both, AT), ways.sphere(both, AT), ways.graph(stations, lengths, AT)):
        torch.testing.assert_close(way[[0, -1]], both)


def test_on_the_sphere_norms_go_evenly_and_steps_are_equal():
    both = ends()
    way = ways.sphere(both, AT).flatten(1)
    norms = way.norm(dim=1)
    torch.testing.assert_close(norms, torch.lerp(norms[0], norms[-1], AT))
    units = way / norms[:, None]
    steps = (units[1:] * units[:-1]).sum(1).arccos()
    torch.testing.assert_close(steps, steps[:1].expand_as(steps))
    # A straight line cuts through.
    assert ways.straight(both, AT)[5].norm() < norms[5]


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
def test_where_there_is_no_one_circle_the_way_is_straight(factor):
    first = ends()[:1]
    both = torch.cat([first, factor * first])
    torch.testing.assert_close(ways.sphere(both, AT), ways.straight(both, AT))


def test_along_the_graph_points_are_spaced_by_length():
    stations = torch.tensor([0.0, 1.0, 4.0, 5.0], dtype=torch.float64).view(-1, 1, 1)
    way = ways.graph(stations, np.array([1.0, 3.0, 1.0]), AT).flatten()
    torch.testing.assert_close(way, 5 * AT)


def test_images_are_blended():
    images = np.array([[[[0]]], [[[200]]]], np.uint8)
    assert ways.blend(images, [0, 0.25, 1]).ravel().tolist() == [0, 50, 200]


# What is found along them


def real(points=None):
    points = np.zeros((4, 2)) if points is None else points
    return Surroundings(points, 1.0, {0: np.array([1.0, 0.0]), 1: np.array([-1.0, 0.0])})


def test_barrier_margin_and_share_are_those_of_known_logits():
    # Class 0 loses points 1 and 2 of six.
    logits = np.array([[4, 0], [0, 1], [0, 2], [4, 0], [4, 0], [4, 0]], np.float32)
    pooled = np.array([[0, 0], [1, 0], [2, 0], [1, 0], [3, 0], [4, 0]], np.float32)
    found = look(pooled, logits, np.array([0, 0]), real(), [])
    loss = np.log1p(np.exp([-4, 1, 2, -4, -4, -4]))
    np.testing.assert_allclose(found.losses, loss)
    assert found.barrier == pytest.approx(loss[2] - loss[0])
    assert found.margin == -2
    assert found.lost == 0.5
    # 6 up and down over a range of 4.
    assert found.detour == pytest.approx(0.5, abs=1e-3)
    assert found.away == pytest.approx((1 + 2 + 1 + 3) / 4)


def test_each_point_belongs_to_the_nearer_end():
    logits = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    assert look(np.zeros((4, 2)), logits, np.array([0, 1]), real(), []).lost == 0
    assert look(np.zeros((4, 2)), logits, np.array([1, 0]), real(), []).lost == 1


def test_stations_are_no_neighbours_of_their_way():
    points = np.array([[0.0, 0], [1, 0], [10, 0], [11, 0]])
    pooled = np.array([[0.0, 0], [1, 0], [1, 0], [1, 0]])
    logits = np.zeros((4, 2))
    assert look(pooled, logits, np.array([0, 0]), real(points), [0, 1]).away == 9
    assert look(pooled, logits, np.array([0, 0]), real(points), [0]).away == 0


def test_directions_are_means_of_a_class_less_those_of_all_others():
    points = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    predicted = np.arange(50) % 3
    found = surroundings(points, np.arange(1.0, 51)[:, None], predicted)
    expected = points[predicted == 1].mean(0) - points[predicted != 1].mean(0)
    np.testing.assert_allclose(found.directions[1], expected, rtol=1e-5)
    assert found.typical == 25.5


# Networks of which the answer is known


class Reads(nn.Module):
    """A layer that keeps the image, and logits that read its quarters; linear behind the layer."""

    def __init__(self, scale):
        super().__init__()
        self.layer = nn.Identity()
        self.scale = scale

    def forward(self, x):
        x = self.layer(x)
        half = SIDE // 2
        parts = (x[..., :half, :half], x[..., :half, half:], x[..., half:, :half])
        return self.scale * torch.stack([part.mean((1, 2, 3)) for part in parts], 1)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Light in one of three quarters."""
    path, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    pixels = rng.integers(0, 90, (COUNT, SIDE, SIDE, 1))
    for row in range(COUNT):
        top, left = ((0, 0), (0, 3), (3, 0))[row % 3]
        pixels[row, top : top + 3, left : left + 3] += 120
    names = ["a", "b", "c"]
    hashes = image_set.write_images(path, pixels.astype(np.uint8), COUNT, (SIDE, SIDE, 1), names)
    labels = [i % 3 for i in range(COUNT)]
    image_set.write_table(path, ["test"] * COUNT, labels, ["x"] * COUNT, hashes, names)
    return image_set.ImageSet.open(path)


@pytest.fixture(scope="module")
def make_subject(images, tmp_path_factory):
    def make(scale):
        network = Reads(scale).eval()
        layers = survey(network, torch.rand(1, 1, SIDE, SIDE))
        layers["layer"]["linear_tail"] = True
        card = {
            "preprocessing": {"mean": [0.0], "std": [0.1]},
            "layers": layers,
            "class_names": ["a", "b", "c"],
            "classes_of_dataset": {"a": 0, "b": 1, "c": 2},
        }
        classifier = Classifier(network, card, torch.device("cpu"))
        folder = tmp_path_factory.mktemp("subject")
        path = folder / "store.zarr"
        extract(classifier, images, np.arange(COUNT), [Target("l", "layer", path)], EXTRACT)
        store = open_store(path)
        # One channel is too few to tell images apart: positions are the points instead.
        tokens = np.concatenate([each for _, each in store.token_blocks(store.test_rows)])
        first, near = clouds.distinct(tokens[:, :, 0], 40)
        cloud = clouds.Cloud(store.pooled(), np.arange(COUNT), near, 0)
        assert (first == np.arange(COUNT)).all()
        splice = splicing.splice(classifier, images, "layer")
        return analysis.Subject(store, cloud, splice, "layer")

    return make


@pytest.fixture(scope="module")
def found(make_subject):
    return analysis.analyse(make_subject(20.0), make_subject(0.01), SETTINGS, 0)


def test_a_linear_network_has_no_barrier_within_a_class(found):
    """Its classes are convex, in the layer and in pixels."""
    assert found.metrics["linear_tail"]
    for way in ("straight", "pixels"):
        own = found.metrics[way]
        assert own["barrier"]["value"] == pytest.approx(0, abs=1e-6)
        assert own["lost"]["value"] == 0
        assert own["margin"]["value"] > 0
        assert own["barrier"]["null"]["value"] > 0.1
        assert own["barrier"]["n"] == own["barrier"]["null"]["n"] == 42
    # Pixels are the layer here, up to their rounding.
    pairs = found.tables["pairs"]
    pairs = pairs[pairs["of"] == "trained"].pivot(index=["kind", "pair"], columns="way")
    np.testing.assert_allclose(
        pairs["margin"]["straight"].astype(float), pairs["margin"]["pixels"].astype(float), atol=0.5
    )


def test_paths_lead_through_images_of_the_class(found):
    purity = found.metrics["purity"]
    assert purity["value"] > 0.9
    assert purity["null"]["range"][1] < 0.7
    assert found.metrics["unreachable"]["value"] <= found.metrics["unreachable"]["null"]["value"]


def test_a_network_that_says_little_has_low_barriers_everywhere(found):
    own = found.metrics["straight"]["barrier"]["untrained"]
    assert own["null"]["value"] < 0.05


def test_a_straight_line_has_no_detour_by_construction(found):
    assert "by construction" in found.metrics["straight"]["detour"]["why"]
    assert found.metrics["straight"]["detour"]["value"] == 0


def test_profiles_and_strips_are_of_all_ways(found):
    points = found.tables["points"]
    assert set(points["way"]) == set(ways.WAYS)
    ends = points[points["step"].isin([0, SETTINGS.points - 1])]
    # Both ends are taken for their own class.
    assert (ends.loc[ends["of"] == "trained", "kept"] == 1).all()
    strips = found.tables["strips"]
    assert set(strips["side"]) == {"most", "least"}
    own = strips[(strips["kind"] == "within") & (strips["side"] == "most")]
    assert own["pair"].nunique() == 1
    assert own.groupby("way")["step"].count().eq(SETTINGS.points).all()


def test_it_is_seeded_and_ready_for_json(found, make_subject):
    again = analysis.analyse(make_subject(20.0), make_subject(0.01), SETTINGS, 0)
    assert json.loads(json.dumps(again.metrics, allow_nan=False)) == found.metrics
    for name, table in found.tables.items():
        assert again.tables[name].equals(table), name


def test_tokens_are_read_in_the_order_of_the_points(make_subject, monkeypatch):
    subject = make_subject(1.0)
    ((_, tokens),) = subject.store.token_blocks(subject.rows)
    passed = [[5, 2, 9], [2], [7, 5]]
    for size in (1, 2**20):
        monkeypatch.setattr(analysis, "READ_BYTES", size)
        for points, read in zip(passed, analysis._token_reader(subject, passed), strict=True):
            np.testing.assert_array_equal(read.numpy(), tokens[points])


def test_where_no_two_images_are_taken_for_the_same_class_nothing_is_claimed(
    make_subject, monkeypatch
):
    monkeypatch.setattr(analysis, "draw", lambda *_: draw(np.arange(4), 2, 2, 0))
    found = analysis.analyse(make_subject(20.0), make_subject(0.01), SETTINGS, 0)
    for way in ways.WAYS:
        assert found.metrics[way]["barrier"]["value"] is None
    assert found.metrics["purity"]["value"] is None
    assert found.tables["pairs"].empty and found.tables["strips"].empty
    assert found.tables["points"]["loss_low"].dtype == np.float64
    json.dumps(found.metrics, allow_nan=False)
