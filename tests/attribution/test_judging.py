"""Deletion and insertion, the randomisation check, and the analysis as a whole."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from tests.attribution.conftest import SETTINGS
from tickle_core.attribution import analysis, faithfulness, paths, randomisation

CELLS = (7, 7)


def areas(known, orders):
    mean = paths.mean_colour(known.classifier, known.images, 0)
    rows = np.arange(len(known.ids))
    blurred = paths.blurred(known.inputs)
    return faithfulness.curves(known, rows, orders, CELLS, 7, mean, blurred).areas


def test_a_map_of_what_the_network_reads_is_better_than_chance_and_its_opposite_worse(known):
    """The square of light lies in four cells of the corner of its class."""
    truth = faithfulness.on_cells(known.inputs[:, 0].numpy(), CELLS).reshape(40, -1)
    rng = np.random.default_rng(0)
    right, wrong, chance = (
        areas(known, order)
        for order in ((-truth).argsort(1), truth.argsort(1), rng.random((40, 49)).argsort(1))
    )
    assert right["insertion"].mean() > chance["insertion"].mean() > wrong["insertion"].mean()
    assert right["deletion"].mean() < chance["deletion"].mean() < wrong["deletion"].mean()


def test_curves_begin_and_end_where_they_must(known):
    orders = np.tile(np.arange(49), (40, 1))
    mean = paths.mean_colour(known.classifier, known.images, 0)
    blurred = paths.blurred(known.inputs)
    found = faithfulness.curves(known, np.arange(40), orders, CELLS, 7, mean, blurred)
    with torch.no_grad():
        chances = [
            known.network(points).softmax(1).gather(1, known.classes[:, None])[:, 0].numpy()
            for points in (known.inputs, mean.expand_as(known.inputs), blurred)
        ]
    np.testing.assert_allclose(found.deletion[:, 0], chances[0], rtol=1e-5)
    np.testing.assert_allclose(found.deletion[:, -1], chances[1], rtol=1e-5)
    np.testing.assert_allclose(found.insertion[:, 0], chances[2], rtol=1e-5)
    np.testing.assert_allclose(found.insertion[:, -1], chances[0], rtol=1e-5)


def test_maps_come_to_cells_by_their_means_or_between_them():
    fine = np.arange(16.0).reshape(1, 4, 4).astype(np.float32)
    np.testing.assert_allclose(faithfulness.on_cells(fine, (2, 2))[0], [[2.5, 4.5], [10.5, 12.5]])
    coarse = np.array([[[0.0, 1.0], [2.0, 3.0]]], np.float32)
    grown = faithfulness.on_cells(coarse, (4, 4))[0]
    assert grown.shape == (4, 4) and grown[0, 0] == 0 and grown[3, 3] == 3
    assert len(np.unique(grown)) > 4  # no ties that an order would break by place
    assert faithfulness.cell_grid((28, 224), 14) == (14, 14)


def test_parts_come_from_the_logits_down_and_hold_every_parameter_once(model):
    parts = randomisation.parts(model.network)
    assert parts[0][0] == "fc"
    assert len(parts) == randomisation.PARTS
    named = [name for _, parameters in parts for name in parameters]
    assert sorted(named) == sorted(name for name, _ in model.network.named_parameters())


@pytest.mark.parametrize("depth", [1, 3, 40])
def test_any_network_is_divided(depth):
    network = nn.Sequential(*(nn.Linear(2, 2) for _ in range(depth)))
    parts = randomisation.parts(network)
    assert 1 <= len(parts) <= randomisation.PARTS
    assert len([name for _, own in parts for name in own]) == 2 * depth


def test_the_cascade_ends_at_the_untrained_network_and_leaves_the_trained_one(model, blank, images):
    before = {name: each.clone() for name, each in model.network.named_parameters()}
    for _, found in randomisation.cascade(model, blank, images, 0):
        last = found
    for name, parameter in last.network.named_parameters():
        assert torch.equal(parameter, dict(blank.network.named_parameters())[name])
    for name, parameter in model.network.named_parameters():
        assert torch.equal(parameter, before[name])


def test_alike_is_spearman_s_with_ties():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(3, 50))
    assert randomisation.alike(one, np.exp(one)).tolist() == pytest.approx([1, 1, 1])
    assert randomisation.alike(one, -one).tolist() == pytest.approx([-1, -1, -1])
    # Zeros of a black background are ties, and make nothing alike.
    sparse = np.zeros((200, 50))
    other = np.zeros((200, 50))
    for row in range(200):
        sparse[row, rng.choice(50, 10, replace=False)] = rng.random(10)
        other[row, rng.choice(50, 10, replace=False)] = rng.random(10)
    assert abs(randomisation.alike(sparse, other).mean()) < 0.05
    assert randomisation.alike(np.zeros((1, 5)), one[:1, :5]).tolist() == [0]


@pytest.fixture(scope="module")
def analysed(subject, blank, layer, images, held_out):
    acts = layer.store.pooled()[held_out]
    layers = {"only": ("layer2", layer)}
    return analysis.analyse(subject, blank, layers, "only", (held_out, acts), SETTINGS, 0)


@pytest.mark.slow
def test_the_analysis_is_ready_for_json_and_every_method_is_judged(analysed):
    json.dumps(analysed.metrics, allow_nan=False)
    methods = analysed.metrics["methods"]
    assert {"gradient", "ig_zero", "chain", "layer_only", "cam_only", "untrained"} <= set(methods)
    for name, each in methods.items():
        for kind in ("insertion", "deletion"):
            assert 0 <= each[kind]["value"] <= 1, name
        gap = each["insertion"]["value"] - each["deletion"]["value"]
        null = each["insertion"]["null"]["value"] - each["deletion"]["null"]["value"]
        assert each["beyond"]["random"]["value"] == pytest.approx(gap - null, abs=1e-6)
    assert analysed.metrics["residual"] == methods["ig_zero"]["residual"]
    assert "untrained" not in methods["untrained"]["beyond"]


@pytest.mark.slow
def test_tables_hold_what_is_shown(analysed, subject):
    maps = analysed.tables["maps"]
    assert maps["image_id"].nunique() == SETTINGS.shown
    assert (maps["values"].map(len) == maps["height"] ** 2).all()
    curves = analysed.tables["curves"]
    assert (curves.groupby(["method", "kind"]).size() == SETTINGS.removals + 1).all()
    assert "random" in set(curves["method"])
    changed = analysed.tables["randomised"]
    assert set(changed["method"]) == {"gradient", "ig_zero", "cam_only"}
    assert changed.groupby("method").size().tolist() == [randomisation.PARTS] * 3
