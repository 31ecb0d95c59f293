"""Roads: angles are right, natural images keep their chance, and foreign pictures are marked."""

import numpy as np
import pytest

from tickle_core.visualization import roads

D, BEST, RANDOM = 24, 6, roads.RANDOM_IMAGES


def natural(rng, count):
    """Activations as after a ReLU, on half of the channels, with a mean that all share."""
    found = np.abs(rng.standard_normal((count, D)) + 1)
    return np.pad(found, ((0, 0), (0, D)))


def compare(pictures, best, random):
    wrapped = ({"a": x, "b": 3 * x} for x in (pictures, best, random))
    return roads.compare(*wrapped, len(pictures))


def test_known_angles():
    e = np.eye(3)
    rows = np.stack([e[0], e[0] + e[1], e[1], -5 * e[0], e[0] + 1e-9 * e[2], 0 * e[0]])
    found = roads.angles(rows, e[:1])[:, 0]
    np.testing.assert_allclose(found, [0, 45, 90, 180, np.degrees(1e-9), 90], rtol=1e-12)


def test_a_picture_like_the_best_image_has_no_angle_and_is_not_marked():
    rng = np.random.default_rng(0)
    best = natural(rng, 1)
    found = compare(best, best, natural(rng, RANDOM))
    assert found.angle.tolist() == [0]
    assert found.other.tolist() == [False]
    assert found.best == {"a": None, "b": None}


def test_a_picture_that_excites_channels_of_its_own_is_marked():
    rng = np.random.default_rng(0)
    foreign = np.roll(natural(rng, 3), D, axis=1)
    mixed = np.concatenate([foreign, natural(rng, 1)])
    found = compare(mixed, natural(rng, BEST), natural(rng, RANDOM))
    np.testing.assert_allclose(found.angle[:3], 90)
    assert found.other[:3].all()
    assert found.angle[3] < 60


def test_random_natural_images_are_marked_with_the_chance_that_is_told():
    rng = np.random.default_rng(0)
    trials = [
        compare(natural(rng, 1), natural(rng, BEST), natural(rng, RANDOM)) for _ in range(2000)
    ]
    marked = np.mean([each.other[0] for each in trials])
    assert abs(marked - roads.CHANCE) < 4 * np.sqrt(roads.CHANCE * (1 - roads.CHANCE) / 2000)
    fewer = [compare(natural(rng, 1), natural(rng, BEST), natural(rng, 30)) for _ in range(1000)]
    assert 0.01 < np.mean([each.other[0] for each in fewer]) < roads.CHANCE


def test_averages_and_rows_agree():
    rng = np.random.default_rng(0)
    best, random = natural(rng, BEST), natural(rng, RANDOM)
    found = compare(natural(rng, 2), best, random)
    rows = list(roads.rows(found, 1))
    assert [row["layer"] for row in rows] == ["a", "b"]
    assert np.mean([row["angle"] for row in rows]) == pytest.approx(found.angle[1])
    assert np.mean([row["natural_mean"] for row in rows]) == pytest.approx(found.angle_natural)
    direct = roads.angles(random, best).mean(1)
    ends = rows[0]["natural_low"], rows[0]["natural_high"]
    assert ends == pytest.approx((direct.min(), direct.max()))
    assert rows[0]["natural_images"] == RANDOM
    pairs = [roads.angles(best[[i]], best[[j]])[0, 0] for i in range(BEST) for j in range(i)]
    assert rows[0]["best_mean"] == pytest.approx(np.mean(pairs))


def test_without_a_layer_before_or_enough_images_nothing_is_said():
    found = roads.compare({}, {}, {}, 2)
    assert found.other is None
    assert np.isnan(found.angle).all() and len(found.angle) == 2
    assert not list(roads.rows(found, 0))
    rng = np.random.default_rng(0)
    foreign = np.roll(natural(rng, 1), D, axis=1)
    assert compare(foreign, natural(rng, BEST), natural(rng, 18)).other is None
    assert compare(foreign, natural(rng, BEST), natural(rng, 19)).other.all()


def layer(tail_share, clean_cut=True):
    return {"tail_share": tail_share, "clean_cut": clean_cut}


def test_layers_before_are_spread_over_the_cost():
    layers = {f"block{i}": layer(round(1 - 0.1 * i, 4)) for i in range(1, 11)}
    layers |= {"block4.last": layer(0.6), "block4.conv": layer(0.61, False)}
    assert roads.layers_before(layers, "block10") == ["block2", "block4", "block6", "block8"]
    assert roads.layers_before(layers, "block3") == ["block1", "block2"]
    assert roads.layers_before(layers, "block1") == []
    # What ends with the layer itself is not before it.
    layers["block5.last"] = layer(0.5)
    assert "block5" not in roads.layers_before(layers, "block5.last")
    # A block is rather taken than what is inside another and a little nearer.
    layers["block2.inner"] = layer(0.799)
    layers["block2"] = layer(0.79)
    assert roads.layers_before(layers, "block10")[0] == "block2"
