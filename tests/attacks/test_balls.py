"""Balls: what lies in them, also with 8 bits, and where is uphill."""

import pytest
import torch
from scipy import stats

from tickle_core.attacks.balls import LEVELS, Ball, inward

BALLS = [Ball("linf", eps) for eps in (0.0, 8 / 255, 1.0)]
BALLS += [Ball("l2", eps) for eps in (0.0, 0.3, 2.0)]


def images(count=20, seed=0, side=8):
    """Images with 8 bits, some of them nearly black or white."""
    rng = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (count, 1, side, side), generator=rng)
    levels[: count // 4] %= 3
    levels[-count // 4 :] = 255 - levels[-count // 4 :] % 3
    return levels / LEVELS


def size(ball, changes):
    flat = changes.flatten(1).double()
    return flat.abs().amax(1) if ball.norm == "linf" else flat.norm(dim=1)


@pytest.mark.parametrize("ball", BALLS)
def test_what_is_projected_lies_in_the_ball_and_is_an_image(ball):
    clean = images()
    moved = clean + torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    found = ball.project(clean, moved)
    assert found.min() >= 0 and found.max() <= 1
    assert (size(ball, found - clean) <= ball.eps * (1 + 1e-5) + 1e-7).all()
    torch.testing.assert_close(ball.project(clean, found), found, atol=1e-6, rtol=0)


@pytest.mark.parametrize("ball", BALLS)
def test_with_8_bits_it_lies_there_exactly(ball):
    clean = images()
    for seed in range(3):
        moved = ball.anywhere(clean, torch.Generator().manual_seed(seed))
        found = ball.to_8_bits(clean, moved)
        assert found.dtype == torch.uint8
        changes = found.long() - (clean * LEVELS).round().long()
        if ball.norm == "linf":
            assert changes.abs().max() <= round(ball.eps * LEVELS)
        else:
            squares = changes.square().flatten(1).sum(1)
            assert (squares <= (ball.eps * LEVELS) ** 2).all()
        # No further from what was rounded than one level.
        assert (changes - (moved - clean) * LEVELS).abs().max() < 1.001


@pytest.mark.parametrize("levels", [2.99995, 8.99995])
def test_nearly_whole_levels_do_not_round_out_of_a_ball(levels):
    """All pixels change by as much, and the ball ends there."""
    clean = torch.full((2, 1, 28, 28), 128 / LEVELS)
    change = torch.full_like(clean, levels / LEVELS)
    ball = Ball("l2", float(change[0].double().norm()))
    changes = ball.to_8_bits(clean, clean + change).long() - 128
    assert (changes.square().flatten(1).sum(1) <= (ball.eps * LEVELS) ** 2).all()
    assert (changes.flatten(1).amax(1) == round(levels)).all()


def test_a_ball_that_ends_at_whole_levels_is_filled():
    clean = torch.full((1, 1, 28, 28), 128 / LEVELS)
    ball = Ball("l2", 28 * 3 / LEVELS)
    changes = ball.to_8_bits(clean, ball.project(clean, clean + 0.1)).long() - 128
    assert (changes == 3).all()


@pytest.mark.parametrize("levels", [1, 8, 16, 255])
@pytest.mark.parametrize("direction", [-1, 1])
def test_corners_of_a_ball_keep_their_levels(levels, direction):
    clean = images()
    ball = Ball("linf", levels / LEVELS)
    found = ball.to_8_bits(clean, ball.project(clean, clean + 9 * direction)).long()
    expected = (clean * LEVELS).round().long() + direction * levels
    assert torch.equal(found, expected.clamp(0, LEVELS))


def test_rounding_is_to_the_nearest_level_where_there_is_room():
    clean = images()
    moved = clean + 0.3 * torch.rand(clean.shape, generator=torch.Generator().manual_seed(2))
    moved = moved.clamp(0, 1)
    for ball in (Ball("linf", 1.0), Ball("l2", 100.0)):
        found = ball.to_8_bits(clean, moved).float()
        assert (found - moved * LEVELS).abs().max() <= 0.501


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_uphill_has_unit_norm_whatever_the_gradient(norm, scale):
    gradient = scale * torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    ball = Ball(norm, 0.1)
    torch.testing.assert_close(size(ball, ball.uphill(gradient)), torch.ones(5).double())
    assert not ball.uphill(torch.zeros(2, 1, 4, 4)).any()


def test_draws_from_the_l2_ball_are_uniform():
    """The share of a ball within a radius is the radius to the power of its dimensions."""
    clean = torch.full((4000, 1, 2, 2), 0.5)
    ball = Ball("l2", 0.4)
    radii = size(ball, ball.anywhere(clean, torch.Generator().manual_seed(0)) - clean)
    shares = (radii / ball.eps) ** 4
    assert stats.kstest(shares.numpy(), "uniform").pvalue > 0.01
    # No direction is preferred.
    drawn = ball.anywhere(clean, torch.Generator().manual_seed(1)) - clean
    means = drawn.flatten(1).double().mean(0) / (ball.eps / (6 * len(clean)) ** 0.5)
    assert means.abs().max() < 4  # each coordinate has the variance eps² / (d + 2)


@pytest.mark.parametrize("ball", [Ball("linf", 16 / 255), Ball("l2", 1.0)])
def test_noise_is_as_large_as_the_ball_allows(ball):
    clean = images()
    noise = ball.surface(clean, torch.Generator().manual_seed(0))
    assert noise.min() >= 0 and noise.max() <= 1
    sizes = size(ball, noise - clean)
    assert (sizes <= ball.eps * 1.0001).all() and (sizes > 0.95 * ball.eps).all()


def test_a_change_that_would_leave_the_range_goes_the_other_way():
    clean = torch.tensor([0.0, 1.0, 0.5, 0.0])
    change = torch.tensor([-0.1, 0.1, -0.1, 0.2])
    torch.testing.assert_close(inward(clean, change), torch.tensor([0.1, -0.1, -0.1, 0.2]))
