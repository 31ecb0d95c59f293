"""What comes in two parts is found, and what does not is left: level, power, corrections."""

import json

import numpy as np
import pytest
import torch

from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.fractures import analysis, cuts, splitting
from tickle_core.fractures.units import Unit, of_images, of_latents
from tickle_core.params.fractures import Fractures

SETTINGS = Fractures(points=100, neighbours=10, draws=12, latents=4, shown=2, images=3)
N = 100


def gaussian(rng, d=16):
    return rng.standard_normal((N, d)) / np.sqrt(np.arange(1, d + 1))


def union(rng, apart=6.0, d=16):
    points = rng.standard_normal((N, d))
    points[:, 0] += apart * (np.arange(N) % 2)
    return points


def orbit(rng):
    """A closed curve that winds through ten dimensions, evenly: a picture turned around."""
    t = np.arange(N) / N * 2 * np.pi
    waves = [f(k * t + k) / k for k in range(1, 6) for f in (np.cos, np.sin)]
    return np.stack(waves, 1) + 0.01 * rng.standard_normal((N, 10))


def is_split(points, rng):
    found = splitting.split(points, 10, 12, rng)
    return found.p < 0.05 and found.narrowness <= splitting.NARROW


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "trials"), [(gaussian, 200), (orbit, 50)])
def test_what_is_one_is_left_whole(draw, trials):
    rng = np.random.default_rng(0)
    assert np.mean([is_split(draw(rng), rng) for _ in range(trials)]) <= 0.05


@pytest.mark.slow
def test_either_test_keeps_its_level_on_gaussians():
    rng = np.random.default_rng(1)
    runs = [splitting.split(gaussian(rng), 10, 12, rng) for _ in range(200)]
    for name in ("p_cut", "p_dip"):
        # Of 200 runs at 5 %, 16 or fewer with probability 0.98.
        assert sum(getattr(run, name) < 0.05 for run in runs) <= 16, name


@pytest.mark.parametrize("apart", [6.0, 8.0])
def test_a_union_of_two_splits_where_they_meet(apart):
    rng = np.random.default_rng(0)
    for _ in range(5):
        points = union(rng, apart)
        assert is_split(points, rng)
        side = cuts.best_cut(cuts.graph(points, 10)).side
        agree = (side == (np.arange(N) % 2).astype(bool)).mean()
        assert max(agree, 1 - agree) > 0.97


def test_hdbscan_may_answer_one():
    rng = np.random.default_rng(0)
    assert splitting.dense(gaussian(rng)) == 1
    assert splitting.dense(union(rng, 30.0, 2)) == 2


def test_the_best_cut_is_the_lowest_of_a_sweep():
    """Of two cliques with one edge between them it cuts that edge."""
    edges = np.zeros((12, 12))
    edges[:6, :6] = edges[6:, 6:] = 1
    np.fill_diagonal(edges, 0)
    edges[5, 6] = edges[6, 5] = 1
    found = cuts.best_cut(edges)
    assert found.crossing == 1
    assert found.conductance == pytest.approx(1 / 31)
    assert len(set(found.side[:6])) == len(set(found.side[6:])) == 1
    # A clique of six takes nine edges to be halved.
    assert cuts.narrowness(edges, found) == pytest.approx(1 / 9)


def test_a_ring_is_as_narrow_everywhere():
    edges = np.zeros((40, 40))
    for step in (1, 2):
        edges[np.arange(40), (np.arange(40) + step) % 40] = 1
    edges = np.maximum(edges, edges.T)
    found = cuts.best_cut(edges)
    assert found.crossing == 6  # three at each of two places
    assert cuts.narrowness(edges, found) == pytest.approx(2)


def test_disconnected_points_have_conductance_zero():
    points = np.concatenate([np.eye(60, 80), 50 + np.eye(40, 80)])
    points += 0.01 * np.random.default_rng(0).standard_normal(points.shape)
    assert cuts.best_cut(cuts.graph(points, 5)).conductance == 0


def units():
    rng = np.random.default_rng(0)
    images = np.arange(N)
    return [
        *(Unit("class", f"c{i}", gaussian(rng), images) for i in range(6)),
        Unit("concept", "both", union(rng), images),
        Unit("latent", "7", orbit(rng), images),
        Unit("latent", "8", gaussian(rng)[:20], images[:20]),
    ]


def test_the_analysis_names_the_one_that_is_split():
    found = analysis.analyse(units(), SETTINGS, 0)
    assert found.metrics["concept"]["named"] == ["both"]
    assert found.metrics["class"]["named"] == found.metrics["latent"]["named"] == []
    assert found.metrics["class"]["split"]["null"]["value"] == 0
    # Too few points: left out.
    assert found.metrics["latent"]["split"]["n"] == 1
    first = found.units.iloc[0]
    assert (first["name"], bool(first["split"])) == ("both", True)
    assert (
        found.units["p"] >= np.maximum(found.units["p_cut"], found.units["p_dip"]) - 1e-12
    ).all()
    fragments = found.fragments[found.fragments["name"] == "both"]
    parts = fragments.groupby("part")["image"].apply(lambda each: set(each % 2))
    assert sorted(parts, key=min) == [{0}, {1}]


def test_it_is_seeded_and_ready_for_json():
    found, again = (analysis.analyse(units()[:3], SETTINGS, 5) for _ in range(2))
    assert json.loads(json.dumps(found.metrics, allow_nan=False)) == again.metrics
    assert found.units.equals(again.units) and found.fragments.equals(again.fragments)
    assert found.metrics["latent"]["split"]["why"] == "no unit has points enough"


def test_copies_of_images_are_one_point():
    pooled = np.repeat(np.random.default_rng(0).standard_normal((50, 4)), 2, axis=0)
    (unit,) = of_images(pooled, {"class": {"a": np.arange(100)}}, 100, 0)
    assert len(unit.points) == len(unit.images) == 50
    (drawn,) = of_images(pooled, {"class": {"a": np.arange(100)}}, 30, 0)
    assert len(drawn.points) <= 30
    (alike,) = of_images(np.ones((60, 4)), {"class": {"a": np.arange(60)}}, 60, 0)
    assert len(alike.points) == 1


def test_latents_are_read_where_they_are_strongest(tmp_path):
    """A dictionary whose latents are the channels: each token's largest one fires."""
    rng = np.random.default_rng(0)
    tokens = rng.random((30, 4, 3)).astype(np.float32)
    layout = writer.Layout(4, 3, 2, [], (2, 2), "float32", 30)
    ids = np.arange(30)
    writer.create_store(tmp_path / "a.zarr", layout, ids, ids % 2, ids >= 0)
    logits = np.zeros((30, 2), np.float32)
    writer.StoreWriter(tmp_path / "a.zarr").add(0, tokens.mean(1), logits, tokens)
    dictionary = SparseAutoencoder(3, 3, "topk", 1)
    with torch.no_grad():
        dictionary.w_enc.copy_(torch.eye(3))
        dictionary.w_dec.copy_(torch.eye(3))
        dictionary.b_enc.zero_()
        dictionary.b_dec.zero_()
    store = open_store(tmp_path / "a.zarr")
    (found,) = of_latents(dictionary, store, store.test_rows, [1], 10)
    fires = np.where(tokens.argmax(2) == 1, tokens[:, :, 1], 0)
    images = np.sort(np.argsort(-fires.max(1), kind="stable")[:10])
    assert found.images.tolist() == images.tolist()
    np.testing.assert_array_equal(found.points, tokens[images, fires[images].argmax(1)])
