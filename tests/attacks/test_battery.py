"""All balls together: success grows with the radius and with restarts, whatever the norm."""

import pytest
import torch

from tickle_core.attacks import battery
from tickle_core.attacks.balls import LEVELS, Ball
from tickle_core.attacks.goals import Goal
from tickle_core.params.attack import Attack

RADII = {"linf": [2 / 255, 8 / 255, 20 / 255], "l2": [0.1, 0.3, 0.8]}


def section(**changes):
    default = {"images": 9, "linf": RADII["linf"], "l2": RADII["l2"], "target": None}
    default |= {"studied": {"norm": "linf", "eps": 8 / 255}, "steps": 8, "step": 0.2}
    default |= {"restarts": 1, "confidence": 0.0, "noise_draws": 3, "shown": 1}
    return Attack(**(default | changes))


def outcomes(learnt, norm, goal=None, **changes):
    balls = [Ball(norm, eps) for eps in RADII[norm]]
    goal = goal or Goal(learnt.classes)
    found = battery.attack(
        learnt.network, learnt.images, goal, balls, section(**changes), [0, 1, 2]
    )
    return list(found)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_falls_in_a_ball_falls_in_a_larger_one(learnt, norm):
    found = outcomes(learnt, norm)
    for smaller, larger in zip(found, found[1:], strict=False):
        assert larger.pgd.reached[smaller.pgd.reached].all()
    assert found[-1].pgd.reached.sum() > found[0].pgd.reached.sum()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_is_never_weaker_than_fgsm_nor_noise_stronger(learnt, norm):
    for found in outcomes(learnt, norm):
        assert found.pgd.reached[found.fgsm].all()
        assert found.noise.sum() <= found.pgd.reached.sum()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_without_a_radius_nothing_changes(learnt, norm):
    [found] = battery.attack(
        learnt.network, learnt.images, Goal(learnt.classes), [Ball(norm, 0.0)], section(), [0]
    )
    assert torch.equal(found.pgd.images, (learnt.images * LEVELS).round().to(torch.uint8))
    for reached in (found.fgsm, found.noise, found.pgd.reached, found.pgd.before_rounding):
        assert not reached.any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_falls_in_any_ball_is_an_image_of_it(learnt, norm):
    """Those that fell in a smaller one are kept."""
    levels = (learnt.images * LEVELS).round().long()
    for found in outcomes(learnt, norm, confidence=1.0):
        changes = (found.pgd.images.long() - levels).flatten(1)
        if norm == "linf":
            assert changes.abs().max() <= round(found.ball.eps * LEVELS)
        else:
            assert (changes.square().sum(1) <= (found.ball.eps * LEVELS) ** 2).all()
        lead = Goal(learnt.classes).lead(learnt.network(found.pgd.images.float() / LEVELS))
        assert torch.equal(lead > 0, found.pgd.reached)
        assert found.pgd.before_rounding[found.pgd.reached].all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_success_does_not_fall_with_steps(learnt, norm):
    counts = [
        [int(each.pgd.reached.sum()) for each in outcomes(learnt, norm, steps=steps)]
        for steps in (1, 4, 16)
    ]
    assert all(a <= b <= c for a, b, c in zip(*counts, strict=True))


def test_a_target_is_harder_to_reach_than_any_class(learnt):
    target = Goal(torch.zeros_like(learnt.classes), targeted=True)
    others = learnt.classes != 0
    away = outcomes(learnt, "linf")
    for free, found in zip(away, outcomes(learnt, "linf", goal=target), strict=True):
        predicted = learnt.network(found.pgd.images.float() / LEVELS).argmax(1)
        assert torch.equal(found.pgd.reached, predicted == 0)
        assert found.pgd.reached[others].sum() <= free.pgd.reached[others].sum()


def test_success_does_not_fall_with_restarts(learnt):
    once, again = (outcomes(learnt, "linf", restarts=each) for each in (0, 2))
    for fewer, more in zip(once, again, strict=True):
        assert more.pgd.reached[fewer.pgd.reached].all()


def test_the_same_seeds_give_the_same_images(learnt):
    for one, two in zip(outcomes(learnt, "l2"), outcomes(learnt, "l2"), strict=True):
        assert torch.equal(one.pgd.images, two.pgd.images)
        assert torch.equal(one.noise, two.noise)


def test_images_do_not_depend_on_their_company(learnt):
    """One alone falls to the same first steps as among others."""
    balls = [Ball("linf", 8 / 255)]
    together = outcomes(learnt, "linf", restarts=0)[1]
    some = torch.arange(0, len(learnt.images), 7)
    [alone] = battery.attack(
        learnt.network,
        learnt.images[some],
        Goal(learnt.classes[some]),
        balls,
        section(restarts=0),
        [1],
    )
    assert (together.fgsm[some] == alone.fgsm).all()
