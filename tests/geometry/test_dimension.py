"""The dimension of a layer as a whole: planted subspaces, sets of equal size, seeds, JSON."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tickle_core.errors import TickleError
from tickle_core.geometry.clouds import Cloud
from tickle_core.geometry.dimension import LayerVectors, analyse
from tickle_core.geometry.moments import assign_blocks, covariance_eigenvalues, row_moments
from tickle_core.geometry.neighbours import distinct
from tickle_core.geometry.pca import cumulative_shares, fractional_dimension

SETTINGS = SimpleNamespace(variance=0.95, blocks=10, draws=10, gaussians=2)
WIDTH = 24


def layer(seed=0, images=(150, 100, 120), positions=9):
    """Tokens and labels; each class varies in 4 dimensions of its own."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0]
    labels = np.repeat(np.arange(3), images)
    own = 4 * labels[:, None] + np.arange(4)
    tokens = np.zeros((len(labels), positions, WIDTH))
    coordinates = rng.standard_normal((len(labels), positions, 4))
    np.put_along_axis(tokens, np.broadcast_to(own[:, None], coordinates.shape), coordinates, 2)
    tokens = (tokens @ basis + 0.01 * rng.standard_normal(tokens.shape)).astype(np.float32)
    return tokens, labels


def cloud(points):
    first, near = distinct(points, 64)
    own = np.flatnonzero(first == np.arange(len(points)))
    return Cloud(points[own], own, near, len(points) - len(own))


def vectors(tokens, seed=0, chunk=50):
    ids = assign_blocks(len(tokens), SETTINGS.blocks, seed)
    chunks = (
        (tokens[i : i + chunk].reshape(-1, WIDTH), np.repeat(ids[i : i + chunk], tokens.shape[1]))
        for i in range(0, len(tokens), chunk)
    )
    pooled = tokens.mean(axis=1)
    clouds = {"image": cloud(pooled), "token": cloud(tokens[:, 0])}
    return LayerVectors(pooled, chunks, clouds)


def untrained_like(tokens):
    """Tokens of five equal directions, which vary from image to image alone."""
    rng = np.random.default_rng(7)
    images = rng.standard_normal((len(tokens), 1, 5)) @ np.eye(5, WIDTH)
    return np.broadcast_to(images, tokens.shape).astype(np.float32)


def by_class(labels):
    return {str(label): np.flatnonzero(labels == label) for label in np.unique(labels)}


def analyse_layer(tokens, labels, seed=0, chunk=50, concepts=None):
    sets = {"class": by_class(labels), "concept": concepts or {}}
    null = vectors(untrained_like(tokens), seed)
    return analyse(vectors(tokens, seed, chunk), null, sets, SETTINGS, seed)


def of(table, estimator):
    return table[table["estimator"] == estimator]


@pytest.fixture(scope="module")
def found():
    return analyse_layer(*layer())


def test_analysis_of_classes_in_subspaces(found):
    tokens, _ = layer()
    pooled, token = (found.metrics[unit]["global"] for unit in ("image", "token"))
    assert found.metrics["width"] == WIDTH
    assert (pooled["n"], token["n"], token["tokens"]) == (370, 370, 370 * 9)
    for unit, rows in ((pooled, tokens.mean(axis=1)), (token, tokens.reshape(-1, WIDTH))):
        spectrum = covariance_eigenvalues(row_moments(rows))
        expected = fractional_dimension(cumulative_shares(spectrum), 0.95)
        assert unit["raw"] == pytest.approx(expected, rel=1e-6)
        low, high = unit["interval"]
        assert low <= unit["raw"] <= unit["value"] <= high
        # Three classes of 100 to 150 images, with four equal directions each.
        assert unit["value"] == pytest.approx(11.1, abs=0.4)
        assert unit["bias"]["range"][0] <= unit["bias"]["value"] <= unit["bias"]["range"][1]
        # The same for the layer that learnt nothing.
        assert unit["null"]["value"] == pytest.approx(4.8, abs=0.1)
        assert unit["null"]["interval"][0] <= unit["null"]["value"] <= unit["null"]["interval"][1]
    # Of ten blocks, a quarter is two.
    assert [each["n"] for each in found.metrics["image"]["by_n"]] == [74, 185]


def test_around_each_image_there_are_the_dimensions_of_its_class(found):
    """Four, where the covariance spans twelve, and a Gaussian of it fills them."""
    image = found.metrics["image"]
    assert image["participation"]["value"] == pytest.approx(11.7, abs=0.5)
    assert image["participation"]["null"]["value"] == pytest.approx(5, abs=0.2)
    for name in ("two_nn", "mle"):
        each = image[name]
        assert each["value"] == pytest.approx(4, abs=0.6)
        assert each["interval"][0] < each["value"] < each["interval"][1]
        assert each["gaussian"]["value"] > 6.5
        assert each["half"]["n"] == 185
        assert not each["at_least"]
    assert image["copies"] == 0
    scales = found.scales[(found.scales["unit"] == "image") & (found.scales["of"] == "trained")]
    assert scales["neighbours"].tolist() == [1, 2, 4, 8, 16]
    assert scales["radius"].is_monotonic_increasing


def test_copies_of_images_do_not_count_twice():
    tokens, labels = layer()
    twice = np.repeat(tokens, 2, axis=0)
    one, two = (
        analyse_layer(each, of_each).metrics["image"]
        for each, of_each in ((tokens, labels), (twice, labels.repeat(2)))
    )
    assert two["copies"] == len(tokens)
    assert two["two_nn"]["n"] == one["two_nn"]["n"] == len(tokens)
    for name in ("two_nn", "mle", "local_pca"):
        assert two[name]["value"] == pytest.approx(one[name]["value"], rel=1e-6)


def test_above_twenty_it_says_at_least():
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((600, 2, 60)).astype(np.float32)
    points = LayerVectors(
        wide.mean(1),
        [(wide.reshape(-1, 60), assign_blocks(600, SETTINGS.blocks, 0).repeat(2))],
        {"image": cloud(wide.mean(1)), "token": cloud(wide[:, 0])},
    )
    null = LayerVectors(
        points.images, [(wide.reshape(-1, 60), assign_blocks(600, 10, 0).repeat(2))], points.clouds
    )
    found = analyse(points, null, {"class": {}, "concept": {}}, SETTINGS, 0)
    assert found.metrics["image"]["two_nn"]["at_least"]


def test_sets_have_the_dimension_of_their_classes(found):
    pca = of(found.sets, "pca")
    assert pca["name"].tolist() == ["0", "1", "2"]
    assert set(found.sets["n"]) == {100}
    assert pca["value"].between(3.6, 4).all()
    assert of(found.sets, "participation")["value"].between(3.4, 4.2).all()
    assert of(found.sets, "mle")["value"].between(3.2, 4.5).all()
    assert (found.sets["low"] <= found.sets["value"]).all()
    assert found.any_set["draw"].nunique() == SETTINGS.draws
    assert of(found.any_set, "pca")["value"].min() > 9


def test_concepts_are_sets_of_the_same_size():
    tokens, labels = layer()
    concepts = {"first two": np.flatnonzero(labels < 2), "few": np.arange(50)}
    sets = analyse_layer(tokens, labels, concepts=concepts).sets
    own = sets[sets["kind"] == "concept"]
    assert set(own["name"]) == {"first two"}
    assert set(own["n"]) == {100}
    assert of(own, "pca")["value"].iloc[0] == pytest.approx(7.5, abs=0.4)


def test_spectra_are_cumulative_shares_shown_and_held_out(found):
    tokens, _ = layer()
    of_images = found.spectrum[found.spectrum["unit"] == "image"]
    assert of_images["components"].tolist() == list(range(1, WIDTH + 1))
    expected = cumulative_shares(covariance_eigenvalues(row_moments(tokens.mean(axis=1))))
    np.testing.assert_allclose(of_images["shown"], expected, rtol=1e-6)
    for unit in ("image", "token"):
        of_unit = found.spectrum[found.spectrum["unit"] == unit]
        assert (of_unit["held_out"] <= of_unit["shown"] + 1e-12).all()
        assert of_unit["held_out"].iloc[-1] == pytest.approx(1)


def test_classes_drawn_at_random_show_the_dimension_of_any_kind():
    tokens, labels = layer()
    found = analyse_layer(tokens, np.random.default_rng(1).permutation(labels))
    own, drawn = (of(each, "pca")["value"].mean() for each in (found.sets, found.any_set))
    assert own == pytest.approx(drawn, abs=0.3)


def test_classes_of_too_few_images_have_no_value():
    tokens = np.random.default_rng(0).standard_normal((40, 1, WIDTH)).astype(np.float32)
    sets = of(analyse_layer(tokens, np.arange(40) % 4).sets, "pca")
    assert sets["value"].isna().all()
    assert (sets["raw"] < 9).all()
    assert (sets["low"] < sets["raw"]).all()
    assert (sets["high"] > 20).all()


def test_classes_of_few_images_are_left_out():
    tokens = np.random.default_rng(0).standard_normal((70, 1, WIDTH)).astype(np.float32)
    found = analyse_layer(tokens, np.r_[np.zeros(60, int), np.full(9, 3), 7])
    assert set(found.sets["name"]) == {"0"}
    none = analyse_layer(tokens, np.arange(70))
    assert (len(none.sets), len(none.any_set)) == (0, 0)


def test_analysis_is_seeded_and_ready_for_json():
    # Without structure, so that every draw shows.
    tokens = np.random.default_rng(0).standard_normal((90, 2, WIDTH))
    labels = np.arange(90) % 3
    found, again = (analyse_layer(tokens, labels, seed=3) for _ in range(2))
    assert json.loads(json.dumps(found.metrics, allow_nan=False)) == found.metrics
    assert again.metrics == found.metrics
    for name in ("spectrum", "scales", "sets", "any_set"):
        assert getattr(again, name).equals(getattr(found, name))
    # How the tokens are cut into chunks is none of the result's business.
    other = analyse_layer(tokens, labels, seed=3, chunk=7)
    one, another = (each.metrics["token"]["global"] for each in (found, other))
    assert another["value"] == pytest.approx(one["value"])
    assert another["interval"] == pytest.approx(one["interval"])
    np.testing.assert_allclose(other.spectrum["shown"], found.spectrum["shown"], rtol=1e-12)


def test_a_layer_that_never_varies_is_refused():
    with pytest.raises(TickleError, match="copies of one another"):
        cloud(np.full((40, WIDTH), 0.1, np.float32))
