import numpy as np
import pytest
import torch

from tickle_core.maximization.transforms import GREY, draw, resample, transform
from tickle_core.params.features import Features

OFF = {"pad": 0.0, "jitter": 0.0, "scale": 0.0, "rotate": 0.0}
STILL = torch.zeros(1, 2), torch.ones(1), torch.zeros(1)


def ranges(**changes):
    return Features.model_construct(**(OFF | changes))


@pytest.fixture
def picture():
    return torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def test_all_off_gives_the_very_same(picture):
    assert transform(picture, ranges(), torch.rand(1, 4)) is picture


def test_nothing_to_move_is_the_identity(picture):
    torch.testing.assert_close(resample(picture, *STILL), picture, atol=1e-6, rtol=0)


def test_a_quarter_turn_is_exact(picture):
    turned = resample(picture, *STILL[:2], torch.tensor([90.0]))
    torch.testing.assert_close(turned, picture.rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_a_turn_keeps_shapes_where_the_picture_is_no_square():
    wide = torch.full((1, 1, 8, 16), GREY)
    wide[0, 0, 2:6, 6:10] = torch.rand(4, 4)
    turned = resample(wide, *STILL[:2], torch.tensor([90.0]))
    expected = torch.full_like(wide, GREY)
    expected[0, 0, 2:6, 6:10] = wide[0, 0, 2:6, 6:10].rot90()
    torch.testing.assert_close(turned, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("down", "right"), [(0, 3), (2, 0), (-1, 4), (-3, -2)])
def test_jitter_is_a_shift_into_grey(picture, down, right):
    shifted = resample(picture, torch.tensor([[down, right]]).float(), *STILL[1:])
    padded = torch.nn.functional.pad(picture, [4] * 4, value=GREY)
    expected = padded[:, :, 4 - down : 16 - down, 4 - right : 16 - right]
    torch.testing.assert_close(shifted, expected, atol=1e-5, rtol=0)


def test_a_turned_picture_is_shifted_as_seen(picture):
    shift, angle = torch.tensor([[1.0, 3.0]]), torch.tensor([90.0])
    both = resample(picture, shift, STILL[1], angle)
    one_by_one = resample(resample(picture, *STILL[:2], angle), shift, *STILL[1:])
    torch.testing.assert_close(both, one_by_one, atol=1e-5, rtol=0)


def test_zoom_by_two_shows_the_middle_larger():
    columns = torch.arange(16.0).expand(1, 1, 16, 16) / 15
    zoomed = resample(columns, STILL[0], torch.tensor([2.0]), STILL[2])
    expected = (torch.arange(16.0) + 0.5) / 2 + 3.5  # half the slope about the same centre
    torch.testing.assert_close(zoomed[0, 0, 8], expected / 15, atol=1e-5, rtol=0)


def test_padding_is_a_grey_border_and_loses_nothing():
    white = torch.ones(1, 1, 30, 30)
    padded = transform(white, ranges(pad=0.25), torch.rand(1, 4))
    # 30 pixels of 45 that are shown as 30.
    np.testing.assert_allclose(padded[0, 0, 15, 5:25], 1, atol=1e-5)
    np.testing.assert_allclose(padded[0, 0, 15, [*range(4), *range(26, 30)]], GREY, atol=1e-5)
    assert float((padded - GREY).sum() / (white - GREY).sum()) == pytest.approx((2 / 3) ** 2, 1e-3)


def test_every_picture_moves_by_its_own_numbers(picture):
    section = ranges(pad=0.1, jitter=0.2, scale=0.2, rotate=30.0)
    drawn = torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
    together = transform(picture.expand(3, -1, -1, -1), section, drawn)
    for i in range(3):
        alone = transform(picture, section, drawn[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-6, rtol=0)
    assert (together[0] - together[1]).abs().max() > 0.1


def test_shifts_are_whole_pixels_all_equally_frequent():
    dot = torch.full((1, 1, 20, 20), GREY)
    dot[0, 0, 10, 10] = 1
    randomness = [np.random.default_rng(i) for i in range(2)]
    drawn = draw(randomness, 600).flatten(0, 1)
    moved = transform(dot.expand(len(drawn), -1, -1, -1), ranges(jitter=0.1), drawn)
    places = moved.flatten(1).argmax(1)
    np.testing.assert_allclose(moved.flatten(1).amax(1), 1, atol=1e-4)
    for axis in (places // 20 - 10, places % 20 - 10):
        shifts, counts = axis.unique(return_counts=True)
        assert shifts.tolist() == [-2, -1, 0, 1, 2]
        assert counts.min() > 0.8 * len(drawn) / 5


def test_draws_of_a_picture_do_not_depend_on_the_others():
    alone = draw([np.random.default_rng(5)], 7)
    beside = draw([np.random.default_rng(i) for i in (4, 5)], 7)
    assert beside.shape == (7, 2, 4)
    assert torch.equal(alone[:, 0], beside[:, 1])
    assert beside.min() >= 0 and beside.max() < 1


def test_gradients_reach_the_picture(picture):
    picture.requires_grad_()
    section = ranges(pad=0.1, jitter=0.1, scale=0.1, rotate=10.0)
    transform(picture, section, torch.full((1, 4), 0.7)).sum().backward()
    assert (picture.grad[:, :, 3:-3, 3:-3] > 0.3).all()
