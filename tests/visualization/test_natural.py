"""Natural images and patches: those that are kept are what a sort of all scores would give."""

import numpy as np
import pandas as pd
import pytest
import torch

from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.maximization.families import SOFTNESS
from tickle_core.maximization.objectives import Objective, Readout, Sources
from tickle_core.params import reading
from tickle_core.params.features import Features
from tickle_core.visualization import chance, natural, selection

COUNT, GRID, D, CLASSES = 90, [3, 4], 6, 4
LAYER = {"layout": "NTC", "prefix": ["class"], "grid": GRID, "shape": [13, D]}
OBJECTIVES = [
    *(Objective("channel", unit) for unit in range(D)),
    Objective("neuron", 2, 5),
    Objective("layer", 0),
    *(Objective("logit", unit) for unit in range(CLASSES)),
]
NOTHING = pd.DataFrame({"latent": [], "density": [], "mean_square": []})


@pytest.fixture
def store_of(tmp_path):
    """Makes a store of tokens (N, 13, d) and logits (N, classes); odd images are held out."""

    def make(tokens, logits, dtype="float32", prefix=("class",), grid=GRID):
        count, positions, d = tokens.shape
        layout = writer.Layout(
            positions, d, logits.shape[1], list(prefix), grid, dtype, max(2, count // 4)
        )
        ids = 3 * np.arange(count)
        path = tmp_path / "a.zarr"
        writer.create_store(path, layout, ids, ids % 2, np.arange(count) % 2 == 1)
        filled = writer.StoreWriter(path)
        for start in range(0, count, layout.shard_rows):
            part = slice(start, start + layout.shard_rows)
            pooled = tokens[part, len(prefix) :].mean(1, dtype=np.float32)
            filled.add(start, pooled, logits[part], tokens[part])
        return open_store(path)

    return make


def random_content(seed=0, levels=None):
    """Tokens and logits; with few levels many images score the same."""
    rng = np.random.default_rng(seed)
    tokens = rng.standard_normal((COUNT, 13, D)).astype(np.float32)
    logits = rng.standard_normal((COUNT, CLASSES)).astype(np.float32)
    if levels:
        tokens, logits = (np.round(x * levels) / levels for x in (tokens, logits))
    return tokens, logits


def readout(objectives=OBJECTIVES):
    """With patches of unit variance, which decide how soft the maximum is."""
    patches = torch.cat([torch.eye(D), -torch.eye(D)]) * D**0.5
    return Readout(objectives, LAYER, Sources(patches), torch.device("cpu"))


def expected_scores(tokens, logits):
    """(N, objectives) as the definitions have them."""
    patches = tokens[:, 1:]
    layer = np.square(patches).sum(2).mean(1)
    softened = SOFTNESS * np.log(np.exp(patches / SOFTNESS).mean(1))
    return np.column_stack([softened, tokens[:, 5, 2], layer, logits])


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("levels", [None, 1])
def test_extremes_are_those_of_a_full_sort(store_of, monkeypatch, block, levels):
    monkeypatch.setattr(natural, "BLOCK_TOKENS", block * 13)
    tokens, logits = random_content(levels=levels)
    store = store_of(tokens, logits)
    found = natural.survey(store, readout(), 8, 0)
    scores = expected_scores(tokens, logits)[store.test_rows]
    ids = store.image_ids[store.test_rows]
    assert found.images == len(ids) == 45
    for side, sign in ((found.most, -1), (found.least, 1)):
        for j in range(len(OBJECTIVES)):
            order = np.lexsort((ids, sign * scores[:, j]))[:8]
            if OBJECTIVES[j].family != "layer":  # summed in another order: ties may break
                np.testing.assert_array_equal(side.image_ids[:, j], ids[order])
            np.testing.assert_allclose(side.scores[:, j], scores[order, j], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.sd, scores.std(0), rtol=1e-4)
    np.testing.assert_allclose(found.median, np.median(scores, axis=0), rtol=1e-4, atol=1e-5)
    patches = tokens[store.test_rows, 1:]
    np.testing.assert_array_equal(found.maximum[:D], patches.max((0, 1)))
    np.testing.assert_allclose(found.mean[:D], patches.mean(1).max(0), rtol=1e-5)
    for pooled in (found.maximum, found.mean):  # nothing is pooled but what is read at all patches
        np.testing.assert_array_equal(pooled[D:], found.most.scores[0, D:])


def test_positions_are_where_the_scores_are(store_of):
    tokens, logits = random_content()
    store = store_of(tokens, logits)
    most = natural.survey(store, readout(), 5, 0).most
    for rank in range(5):
        for unit in range(D):
            row = most.image_ids[rank, unit] // 3
            position = most.positions[rank, unit]
            assert position >= 1  # the class token is no patch
            assert tokens[row, position, unit] == tokens[row, 1:, unit].max()
    assert (most.positions[:, D] == 5).all()
    assert (most.positions[:, D + 1 :] == -1).all()


def test_planted_images_are_found(store_of):
    tokens, logits = random_content()
    tokens[[11, 31, 51], 4, 3] = [15, 19, 17]
    tokens[[20, 40], 4, 3] = 50  # of the train split
    found = natural.survey(store_of(tokens, logits), readout(), 3, 0)
    np.testing.assert_array_equal(found.most.image_ids[:, 3], 3 * np.array([31, 51, 11]))
    assert (found.most.positions[:, 3] == 4).all()


def test_fewer_images_than_asked_for(store_of):
    tokens, logits = random_content()
    store = store_of(tokens[:6], logits[:6])
    found = natural.survey(store, readout(), 8, 0)
    assert found.most.scores.shape == found.least.scores.shape == (3, len(OBJECTIVES))
    np.testing.assert_array_equal(found.most.scores, found.least.scores[::-1])


def test_the_median_of_many_images_is_near_that_of_a_sample(store_of, monkeypatch):
    tokens, logits = random_content()
    store = store_of(tokens, logits)
    exact = natural.survey(store, readout(), 1, 0)
    monkeypatch.setattr(natural, "SAMPLE", 30)
    some = natural.survey(store, readout(), 1, 0)
    assert not np.array_equal(some.median, exact.median)
    assert (abs(some.median - exact.median) < exact.sd).all()
    np.testing.assert_array_equal(some.sd, exact.sd)
    np.testing.assert_array_equal(natural.survey(store, readout(), 1, 0).median, some.median)


@pytest.mark.parametrize(("count", "told"), [(240, True), (160, False)])
def test_the_99_percent_point_is_told_where_it_lies_below_the_best(store_of, count, told):
    """Half of the images are held out."""
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((count, 13, D)).astype(np.float32)
    store = store_of(tokens, rng.standard_normal((count, CLASSES)).astype(np.float32))
    found = natural.survey(store, readout(), 1, 0)
    assert np.isfinite(found.high).tolist() == [told] * len(OBJECTIVES)
    if told:
        logits = store.logits()[store.test_rows]
        np.testing.assert_allclose(found.high[-CLASSES:], np.quantile(logits, 0.99, axis=0))
        assert (found.median < found.high).all() and (found.high < found.most.scores[0]).all()


def test_patches_are_drawn_evenly_from_those_of_test_images(store_of, monkeypatch):
    tokens = np.zeros((COUNT, 13, D), np.float32)
    tokens[:, :, 0], tokens[:, :, 1] = np.arange(COUNT)[:, None], np.arange(13)
    store = store_of(tokens, np.zeros((COUNT, CLASSES), np.float32))
    every = chance.natural_patches(store, 0)
    np.testing.assert_array_equal(every, tokens[1::2, 1:].reshape(-1, D))
    monkeypatch.setattr(chance, "PATCHES", 100)
    some = chance.natural_patches(store, 0)
    drawn = {tuple(row) for row in some[:, :2].tolist()}
    assert len(drawn) == 100 and drawn < {tuple(row) for row in every[:, :2].tolist()}
    assert len({image for image, _ in drawn}) > 30 and len({patch for _, patch in drawn}) == 12
    assert not np.array_equal(some, chance.natural_patches(store, 1))


def test_half_precision_shifts_scores_by_its_rounding(store_of):
    tokens, logits = random_content()
    store = store_of(tokens.astype(np.float16), logits, "float16")
    found = natural.survey(store, readout(), 1, 0)
    scores = expected_scores(tokens, logits)[store.test_rows]
    np.testing.assert_allclose(found.most.scores[0], scores.max(0), rtol=2.0**-10, atol=2e-3)


def section(**changes):
    default = reading.load().features.model_dump()
    return Features(**(default | changes))


def latents(energies, densities):
    numbers = np.arange(len(energies))
    return pd.DataFrame({"latent": numbers, "density": densities, "mean_square": energies})


def test_selection_takes_what_varies_and_what_is_predicted(store_of):
    tokens, logits = random_content()
    tokens *= np.array([1, 5, 0, 3, 2, 4], np.float32)
    tokens[::2, :, 0] *= 100  # varies on train images alone
    logits[:, 2] = 10
    logits[1:20:2, 1] = 20
    store = store_of(tokens, logits)
    table = latents([5.0, 7.0, 6.0, 9.0], [0.1, 0.2, 0.0, 0.9])
    chosen = selection.select(store, table, section(channels=3, neurons=2, latents=9, logits=9))
    assert [(o.family, o.unit) for o in chosen] == [
        *(("channel", unit) for unit in (1, 5, 3)),
        *(("neuron", unit) for unit in (1, 5)),
        ("layer", 0),
        *(("latent", unit) for unit in (1, 0)),  # one never fires, one on most tokens
        *(("logit", unit) for unit in (2, 1)),
    ]
    neurons = [each.position for each in chosen if each.family == "neuron"]
    assert neurons == [1 + 1 * 4 + 2] * 2  # behind the class token: row 1, column 2 of 3 x 4
    every = selection.select(store, NOTHING, section(channels=99, neurons=0, logits=0))
    assert [each.unit for each in every if each.family == "channel"] == [1, 5, 3, 4, 0]


def test_a_layer_of_one_position_has_no_neurons(store_of):
    tokens, logits = random_content()
    store = store_of(tokens[:, :1], logits, prefix=(), grid=None)
    families = [each.family for each in selection.select(store, NOTHING, section())]
    assert "channel" in families and "neuron" not in families
