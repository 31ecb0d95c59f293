"""What is seen along a way, by hand."""

import numpy as np
import pytest
import torch

from tickle_core.path.along import look
from tickle_core.path.likeness import structural_similarity
from tickle_core.path.switches import switches

AT = np.linspace(0, 1, 5)


def test_a_way_straight_from_one_class_to_the_other():
    logits = np.stack([4 - 8 * AT, -4 + 8 * AT, np.full(5, -50.0)], 1)
    found = look(logits, AT, np.array([0, 1]))
    assert found.barrier == pytest.approx(0, abs=1e-9)
    assert found.overshoot == 0
    assert found.flip == 0.75  # at the middle both are equal, and the first is told
    np.testing.assert_allclose(found.difference, -8 + 16 * AT)


def test_a_third_class_on_the_way_is_a_barrier():
    logits = np.array([[5, 0, 0], [1, 1, 9], [0, 5, 0.0]])
    found = look(logits, np.array([0, 0.5, 1]), np.array([0, 1]))
    total = np.exp([1, 1, 9])
    assert found.barrier == pytest.approx(-np.log(total[:2].sum() / total.sum()))
    assert found.flip == 0.5 and found.predicted.tolist() == [0, 2, 1]


def test_overshoot_is_what_leaves_the_range_of_the_ends():
    difference = np.array([-1, -2, 0, 4, 1.0])
    logits = np.stack([np.zeros(5), difference], 1)
    assert look(logits, AT, np.array([0, 1])).overshoot == pytest.approx((1 + 3) / 2)


def test_where_nothing_flips_the_end_is_told():
    logits = np.stack([np.ones(5), np.zeros(5)], 1)
    assert look(logits, AT, np.array([0, 1])).flip == 1


def test_latents_go_on_and_off_and_pass():
    peaks = np.zeros((5, 5))
    peaks[3:, 0] = 4, 10  # on
    peaks[:2, 1] = 6, 2  # off
    peaks[2, 2] = 3  # passing
    peaks[:, 3] = 7  # always
    found = switches(peaks, AT)
    assert list(found.itertuples(index=False, name=None)) == [
        (0, "on", 1.0, 10.0),
        (1, "off", 0.0, 6.0),
        (2, "passing", 0.5, 3.0),
    ]


def images(seed=0, shape=(3, 2, 20, 17)):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_equal_images_are_alike_and_others_are_not():
    torch.testing.assert_close(structural_similarity(images(), images()), torch.ones(3).double())
    assert structural_similarity(images(), images(1)).abs().max() < 0.2


def test_flat_images_differ_by_their_means():
    one, other = torch.full((1, 1, 9, 9), 0.2), torch.full((1, 1, 9, 9), 0.6)
    constant = 0.01**2
    expected = (2 * 0.12 + constant) / (0.04 + 0.36 + constant)
    assert float(structural_similarity(one, other)) == pytest.approx(expected, rel=1e-5)


def test_likeness_is_the_mean_over_windows():
    one, other = images(), (0.7 * images() + 0.3 * images(1))
    expected = []
    for a, b in zip(one.double().numpy(), other.double().numpy(), strict=True):
        a, b = (
            np.lib.stride_tricks.sliding_window_view(each, (7, 7), (1, 2)).reshape(-1, 49)
            for each in (a, b)
        )
        means = a.mean(1), b.mean(1)
        spread = a.var(1, ddof=1) + b.var(1, ddof=1)
        common = ((a - means[0][:, None]) * (b - means[1][:, None])).sum(1) / 48
        light = (2 * means[0] * means[1] + 0.01**2) / (means[0] ** 2 + means[1] ** 2 + 0.01**2)
        expected.append((light * (2 * common + 0.03**2) / (spread + 0.03**2)).mean())
    np.testing.assert_allclose(structural_similarity(one, other).numpy(), expected, rtol=1e-10)


def test_likeness_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    one, other = images(), (0.7 * images() + 0.3 * images(1))
    theirs = [
        metrics.structural_similarity(a.numpy(), b.numpy(), data_range=1.0, channel_axis=0)
        for a, b in zip(one, other, strict=True)
    ]
    np.testing.assert_allclose(structural_similarity(one, other).numpy(), theirs, rtol=1e-4)


def test_small_images_are_one_window():
    assert structural_similarity(images(shape=(1, 1, 4, 4)), images(shape=(1, 1, 4, 4))) == 1
