"""Causal tracing: identities, planted answers, and the same numbers from a hook."""

import numpy as np
import pandas as pd
import pytest
import torch

from tickle_core.circuits import pairing, tracing
from tickle_core.circuits.pairing import Triple
from tickle_core.circuits.sites import find_sites
from tickle_core.models import accuracy
from tickle_core.results import write_json

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def triples(layers):
    return pairing.draw_triples(layers["layer2"][0], 6, 0)


def test_restoring_everything_gives_the_clean_image_and_nothing_the_donor(layers, triples):
    layer = layers["layer2"]
    masks = torch.tensor([[True], [False]]).expand(2, 49)
    for triple in triples:
        found = tracing.trace_one(*layer, masks, triple)
        assert found.way > 0
        assert found.restored / found.way == pytest.approx([1, 0], abs=1e-5)
        assert found.null[1] / found.way == pytest.approx(0, abs=1e-5)


def test_a_donor_that_is_the_clean_image_has_nothing_to_restore(layers, triples):
    masks = find_sites(49, [], [7, 7], 49).masks(CPU)
    for triple in triples:
        same = Triple(triple.donor, triple.donor, triple.donor, 0, 1)
        found = tracing.trace_one(*layers["layer2"], masks, same)
        assert found.way == 0
        for each in (found.restored, found.null):
            np.testing.assert_allclose(each, 0, atol=1e-4)
        for each in (found.screen, found.null_screen):
            np.testing.assert_array_equal(each, 0)


def test_on_a_linear_tail_screen_and_measurement_agree_and_sites_add_up(layer_of, section):
    weight = noise(3, 12 * 5)
    tail = lambda acts: acts.flatten(1) @ weight.T  # noqa: E731
    layer = layer_of(noise(60, 12, 5), tail, grid=[3, 4])
    masks = find_sites(12, [], [3, 4], 12).masks(CPU)
    for triple in pairing.draw_triples(layer[0], 6, 0):
        found = tracing.trace_one(*layer, masks, triple)
        np.testing.assert_allclose(found.screen, found.restored, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found.null_screen, found.null, rtol=1e-3, atol=1e-4)
        assert found.restored.sum() == pytest.approx(found.way, rel=1e-4)
    found = tracing.trace(*layer, section(), 0)
    assert found.sites["recovered"].sum() == pytest.approx(1, rel=1e-4)
    correlation = found.metrics["rank_correlation"]
    assert correlation["value"] == pytest.approx(1)
    assert correlation["null"]["value"] < 0.9  # a site that changes much need not matter
    assert correlation["n"] == found.metrics["pairs"] == 6
    assert found.sites[["low", "high"]].isna().all(axis=None)  # of six pairs
    sites = tracing.trace(*layer, section(traces=30), 0).sites
    assert (sites["low"] <= sites["recovered"]).all() and (
        sites["recovered"] <= sites["high"]
    ).all()


def test_a_class_that_one_position_decides(layer_of, section, tmp_path):
    readout = noise(3, 5)
    tail = lambda acts: acts[:, 7] @ readout.T  # noqa: E731
    layer = layer_of(noise(60, 12, 5), tail, grid=[3, 4])
    found = tracing.trace(*layer, section(), 0)
    metrics, sites = found.metrics, found.sites
    assert metrics["grid"] == [3, 4] and metrics["joined"] == [1, 1] and metrics["prefix"] == []
    expected = np.zeros(12)
    expected[7] = 1
    np.testing.assert_allclose(sites["recovered"], expected, atol=1e-5)
    np.testing.assert_allclose(np.delete(sites["null"].to_numpy(), 7), 0, atol=1e-5)
    assert metrics["peak"]["value"] == pytest.approx(1, rel=1e-5)
    masks = find_sites(12, [], [3, 4], 12).masks(CPU)
    each = [
        tracing.trace_one(*layer, masks, triple) for triple in pairing.draw_triples(layer[0], 6, 0)
    ]
    # A stranger that makes it worse there is best where nothing happens.
    expected_null = sum(max(0, one.null[7]) for one in each) / sum(one.way for one in each)
    assert metrics["peak"]["null"]["value"] == pytest.approx(expected_null, rel=1e-5)
    assert expected_null < 0.9
    assert metrics["rank_correlation"]["value"] == pytest.approx(1)
    examples = found.examples.groupby(["image_id", "donor_id"])
    assert len(examples) == 2
    for _, example in examples:
        assert example["site"].tolist() == list(range(12))
        np.testing.assert_allclose(example["recovered"], expected, atol=1e-5)
    write_json(tmp_path / "found.json", metrics)


def test_prefix_positions_come_first_and_blocks_join_neighbours(layer_of, section):
    readout = noise(3, 5)
    tail = lambda acts: acts[:, 1] @ readout.T  # noqa: E731
    layer = layer_of(noise(60, 18, 5), tail, prefix=["class", "register"], grid=[4, 4])
    found = tracing.trace(*layer, section(sites=6), 0)
    metrics = found.metrics
    assert metrics["prefix"] == ["class", "register"]
    assert metrics["grid"] == [2, 2] and metrics["joined"] == [2, 2]
    np.testing.assert_allclose(found.sites["recovered"], [0, 1, 0, 0, 0, 0], atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_layer_of_one_position_has_one_site(layer_of, section, tmp_path, dtype):
    readout = noise(3, 5)
    layer = layer_of(noise(60, 1, 5), lambda acts: acts[:, 0] @ readout.T, dtype=dtype)
    found = tracing.trace(*layer, section(), 0)
    assert found.metrics["grid"] is None
    assert found.sites["recovered"].tolist() == pytest.approx([1], rel=1e-5)
    assert found.metrics["rank_correlation"] is None
    write_json(tmp_path / "found.json", found.metrics)


def test_the_null_takes_the_stranger(layers, triples):
    layer = layers["layer2"]
    masks = find_sites(49, [], [7, 7], 49).masks(CPU)
    for t in triples:
        swapped = Triple(t.stranger, t.donor, t.clean, t.clean_class, t.donor_class)
        found, other = (tracing.trace_one(*layer, masks, each) for each in (t, swapped))
        np.testing.assert_array_equal(found.null, other.restored)
        np.testing.assert_array_equal(found.null_screen, other.screen)
        np.testing.assert_array_equal(found.restored, other.null)


@pytest.mark.parametrize("module", ["layer2", "layer2.0.conv1"])
def test_a_hook_on_the_whole_network_gives_the_same(layers, triples, model, images, module):
    store, splice = layers[module]
    masks = find_sites(49, [], [7, 7], 16).masks(CPU)
    layer = model.network.get_submodule(module)

    @torch.no_grad()
    def forward(row, edit):
        handle = layer.register_forward_hook(lambda *call: edit(call[-1]))
        try:
            return model.network(model.preprocess(images.read(store.image_ids[[row]])))[0]
        finally:
            handle.remove()

    for triple in triples[:2]:
        kept = []
        clean = forward(triple.clean, lambda out, kept=kept: kept.append(out))
        donor = forward(triple.donor, lambda out: out)
        up, down = triple.clean_class, triple.donor_class
        start = donor[up] - donor[down]
        found = tracing.trace_one(store, splice, masks, triple)
        assert found.way == pytest.approx(float(clean[up] - clean[down] - start), rel=1e-4)
        for site in (0, 5, 15):
            row, column = divmod(site, 4)
            area = (..., slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))

            def restore(out, area=area, kept=kept):
                out = out.clone()
                out[area] = kept[0][area]
                return out

            logits = forward(triple.donor, restore)
            expected = float(logits[up] - logits[down] - start)
            assert found.restored[site] == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_triples_are_of_different_classes_and_as_even_as_can_be(layers):
    store, _ = layers["layer2"]
    predicted = store.logits().argmax(1)
    triples = pairing.draw_triples(store, 9, 0)
    assert len(triples) == len({each.clean for each in triples}) == 9
    counts = np.bincount(predicted[store.test_rows])
    taken = np.bincount([each.clean_class for each in triples], minlength=3)
    assert (taken >= np.minimum(counts, 3)).all()
    for each in triples:
        assert predicted[each.clean] == each.clean_class
        assert predicted[each.donor] == each.donor_class != each.clean_class
        assert predicted[each.stranger] not in (each.clean_class, each.donor_class)
        assert store.is_test[[each.clean, each.donor, each.stranger]].all()
    assert pairing.draw_triples(store, 9, 0) == triples
    assert pairing.draw_triples(store, 9, 1) != triples
    every = pairing.draw_triples(store, 1000, 0)
    assert sorted(each.clean for each in every) == store.test_rows.tolist()


@pytest.mark.parametrize("signs", [[1, 1, 1, -1, -1], [1, 1, 1, 1, -1]])
def test_with_two_classes_the_stranger_is_another_image_of_one_of_them(layer_of, signs):
    tokens = torch.tensor(signs).view(-1, 1, 1).repeat(2, 1, 1)
    tail = lambda acts: torch.cat([acts[:, 0], -acts[:, 0]], 1)  # noqa: E731
    store, _ = layer_of(tokens, tail, is_test=np.arange(10) < 5)
    for each in pairing.draw_triples(store, 5, 0):
        assert len({each.clean, each.donor, each.stranger}) == 3
        assert signs[each.clean] != signs[each.donor]
        possible = signs.count(signs[each.donor]) > 1
        assert (signs[each.stranger] != signs[each.clean]) == possible


def test_nothing_is_said_of_a_single_class_or_of_two_images(layer_of, section):
    tail = lambda acts: torch.cat([acts[:, 0], -acts[:, 0]], 1)  # noqa: E731
    ones = torch.ones(8, 1, 1)
    found = tracing.trace(*layer_of(ones, tail), section(), 0)
    assert list(found.metrics) == ["why"] and len(found.sites) == len(found.examples) == 0
    signs = torch.tensor([1.0, -1.0, 1.0]).view(3, 1, 1)
    layer = layer_of(signs, tail, is_test=np.arange(3) < 2, name="two")
    assert list(tracing.trace(*layer, section(), 0).metrics) == ["why"]


def test_batches_and_repetition_change_nothing(layers, section, monkeypatch):
    once, again = (tracing.trace(*layers["layer2"], section(traces=32), 0) for _ in range(2))
    assert once.metrics == again.metrics
    pd.testing.assert_frame_equal(once.sites, again.sites, check_exact=True)
    monkeypatch.setattr(accuracy, "MOST_IMAGES", 10)
    parts = tracing.trace(*layers["layer2"], section(traces=32), 0)
    pd.testing.assert_frame_equal(once.sites, parts.sites, atol=1e-4)
