"""Rules on pixels, on images whose answer is known."""

import numpy as np
import pytest

from tickle_core.datasets.concept_sets import rules


def rectangle(height, width, side=32, grey=200):
    image = np.zeros((side, side, 1), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    image[top : top + height, left : left + width] = grey
    return image


def test_dark_is_the_mean():
    images = np.stack([np.full((8, 8, 3), grey, np.uint8) for grey in (200, 10, 90)])
    assert np.argsort(-rules.strength("dark", images)).tolist() == [1, 2, 0]


def test_symmetric_is_one_for_mirror_images_and_less_for_others():
    rng = np.random.default_rng(0)
    half = rng.integers(0, 256, (16, 8, 1), dtype=np.uint8)
    symmetric = np.concatenate([half, half[:, ::-1]], axis=1)
    noise = rng.integers(0, 256, (16, 16, 1), dtype=np.uint8)
    opposite = np.concatenate([half, 255 - half[:, ::-1]], axis=1)
    found = rules.strength("symmetric", np.stack([symmetric, noise, opposite]))
    assert found[0] == pytest.approx(1)
    assert abs(found[1]) < 0.3
    assert found[2] < -0.5


def test_elongated_is_the_ratio_of_axes_whatever_the_angle():
    """Second moments of a rectangle go with the squares of its sides."""
    upright, flat, square = rectangle(20, 5), rectangle(5, 20), rectangle(12, 12)
    found = rules.strength("elongated", np.stack([upright, flat, square]))
    assert found[0] == pytest.approx((20**2 - 1) / (5**2 - 1))
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(1)


def test_elongated_does_not_ask_for_a_dark_ground():
    bright = 255 - rectangle(20, 5)
    found = rules.strength("elongated", np.stack([rectangle(20, 5), bright]))
    assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize("rule", list(rules.RULES))
def test_an_empty_image_breaks_no_rule(rule):
    assert np.isfinite(rules.strength(rule, np.zeros((2, 8, 8, 1), np.uint8))).all()
