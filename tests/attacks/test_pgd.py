"""FGSM and PGD: known optima, monotone success, the peers, no masked gradients."""

import foolbox
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tickle_core.attacks import pgd
from tickle_core.attacks.balls import LEVELS, Ball
from tickle_core.attacks.goals import SATURATED, Goal

EPS = 24 / 255


def attacked(learnt, ball, steps=20, start=None, network=None, goal=None, confidence=0.0):
    return pgd.pgd(
        network or learnt.network,
        learnt.images,
        learnt.images if start is None else start,
        goal or Goal(learnt.classes),
        ball,
        steps,
        0.1 * ball.eps,
        confidence,
    )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_ball_without_radius_is_the_identity(learnt, norm):
    ball = Ball(norm, 0.0)
    found = attacked(learnt, ball, steps=3)
    assert not found.reached.any() and not found.before_rounding.any()
    torch.testing.assert_close(found.images.float() / LEVELS, learnt.images)
    torch.testing.assert_close(
        pgd.fgsm(learnt.network, learnt.images, Goal(learnt.classes), ball), learnt.images
    )


@pytest.mark.parametrize("ball", [Ball("linf", 8 / 255), Ball("l2", 0.7)])
@pytest.mark.parametrize("contrast", [1.0, 9.0])
def test_what_is_kept_lies_in_the_ball_exactly(learnt, ball, contrast):
    """Also where nearly all pixels are black or white."""
    levels = ((learnt.images - 0.4) * contrast + 0.4).clamp(0, 1).mul(LEVELS).round().long()
    clean = levels / LEVELS
    goal = Goal(learnt.network(clean).argmax(1))
    found = pgd.pgd(learnt.network, clean, clean, goal, ball, 10, 0.2 * ball.eps, torch.inf)
    assert found.reached.any()
    changes = (found.images.long() - levels).flatten(1)
    assert changes.any(1).all()
    if ball.norm == "linf":
        assert changes.abs().max() <= round(ball.eps * LEVELS)
    else:
        assert (changes.square().sum(1) <= (ball.eps * LEVELS) ** 2).all()


def test_networks_are_not_asked_about_no_images(learnt):
    """Those that view(len(x), -1) refuse them."""

    def picky(images):
        assert len(images)
        return learnt.network(images)

    for eps in (0.0, EPS, 1.0):
        ball = Ball("linf", eps)
        plain, found = (attacked(learnt, ball, 5, network=each) for each in (None, picky))
        assert torch.equal(plain.images, found.images)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_on_a_linear_network_one_step_finds_the_threshold(norm):
    """The lead falls by eps times the dual norm of the weights' difference, and by no more."""
    weights = torch.randn(2, 36, generator=torch.Generator().manual_seed(0))
    linear = nn.Linear(36, 2)
    linear.weight.data, linear.bias.data = weights, torch.zeros(2)
    network = nn.Sequential(nn.Flatten(), linear).requires_grad_(False)
    images = torch.full((1, 1, 6, 6), 0.5)
    goal = Goal(network(images).argmax(1))
    behind = -float(goal.lead(network(images)))
    difference = weights[0] - weights[1]
    dual = difference.abs().sum() if norm == "linf" else difference.norm()
    threshold = behind / float(dual)
    for share, expected in ((0.99, False), (1.01, True)):
        ball = Ball(norm, share * threshold)
        moved = pgd.fgsm(network, images, goal, ball)
        assert bool(goal.lead(network(moved)) > 0) == expected
        found = pgd.pgd(network, images, images, goal, ball, 20, 0.2 * ball.eps)
        assert bool(found.before_rounding) == expected


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_success_does_not_fall_with_steps(learnt, norm):
    ball = Ball(norm, EPS if norm == "linf" else 0.9)
    leads = [attacked(learnt, ball, steps).lead for steps in (1, 5, 20)]
    for fewer, more in zip(leads, leads[1:], strict=False):
        reached = fewer > 0
        assert (more[reached] > 0).all()
        assert (more > 0).sum() >= reached.sum()
    assert (leads[-1] > 0).float().mean() > 0.2


def test_pgd_is_not_weaker_than_fgsm_where_it_starts(learnt):
    ball = Ball("linf", EPS)
    goal = Goal(learnt.classes)
    start = pgd.fgsm(learnt.network, learnt.images, goal, ball)
    fell = goal.lead(learnt.network(start)) > 0
    assert 0 < fell.sum() < len(fell)
    assert attacked(learnt, ball, start=start).before_rounding[fell].all()


@pytest.mark.parametrize(
    ("norm", "eps", "peer"),
    [
        ("linf", EPS, foolbox.attacks.LinfPGD),
        ("l2", 0.9, foolbox.attacks.L2PGD),
    ],
)
def test_success_is_that_of_foolbox(learnt, norm, eps, peer):
    model = foolbox.PyTorchModel(learnt.network, bounds=(0, 1))
    steps = 20
    attack = peer(rel_stepsize=0.1, steps=steps, random_start=False)
    _, _, theirs = attack(model, learnt.images, learnt.classes, epsilons=eps)
    ours = attacked(learnt, Ball(norm, eps), steps).before_rounding
    # Theirs is the last iterate: ours may have been there and gone on.
    assert abs(int(ours.sum()) - int(theirs.sum())) <= max(1, len(ours) // 500)
    assert 0.1 < ours.float().mean() < 0.95


@pytest.mark.parametrize(
    ("norm", "eps", "peer"),
    [
        ("linf", EPS, foolbox.attacks.LinfFastGradientAttack),
        ("l2", 0.9, foolbox.attacks.L2FastGradientAttack),
    ],
)
def test_one_step_is_that_of_foolbox(learnt, norm, eps, peer):
    model = foolbox.PyTorchModel(learnt.network, bounds=(0, 1))
    _, theirs, fell = peer(random_start=False)(model, learnt.images, learnt.classes, epsilons=eps)
    goal = Goal(learnt.classes)
    ours = pgd.fgsm(learnt.network, learnt.images, goal, Ball(norm, eps))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    reached = goal.lead(learnt.network(ours)) > 0
    assert abs(int(reached.sum()) - int(fell.sum())) <= max(1, len(fell) // 500)


def test_success_is_that_of_torchattacks_and_not_above_autoattacks(learnt):
    torchattacks = pytest.importorskip("torchattacks")
    images, classes = learnt.images, learnt.classes
    how = {"eps": EPS, "alpha": 0.1 * EPS, "steps": 20, "random_start": False}
    moved = torchattacks.PGD(learnt.network, **how)(images, classes)
    theirs = learnt.network(moved).argmax(1) != classes
    ours = attacked(learnt, Ball("linf", EPS)).before_rounding
    assert abs(int(ours.sum()) - int(theirs.sum())) <= max(1, len(ours) // 500)
    strongest = torchattacks.AutoAttack(learnt.network, eps=EPS, n_classes=4)(images, classes)
    assert ours.sum() <= (learnt.network(strongest).argmax(1) != classes).sum()


def test_no_gradients_are_masked(learnt, another):
    """The loss rises along the attack, and another network's attack does less."""
    ball, goal = Ball("linf", EPS), Goal(learnt.classes)
    moved, losses = learnt.images, []
    for _ in range(10):
        logits, gradient = pgd.climb(learnt.network, moved, goal)
        losses.append(float(F.cross_entropy(logits, learnt.classes)))
        moved = ball.project(learnt.images, moved + 0.1 * ball.eps * ball.uphill(gradient))
    assert all(after > before for before, after in zip(losses, losses[1:], strict=False))
    right = another(learnt.images).argmax(1) == learnt.classes
    white = attacked(learnt, ball).reached
    # As far as it goes, not only across the other one's boundary.
    there = attacked(learnt, ball, network=another, confidence=torch.inf).images.float() / LEVELS
    black = goal.lead(learnt.network(there)) > 0
    assert black[right].sum() < white[right].sum()


def test_a_saturated_softmax_is_attacked_as_well(learnt):
    """Cross-entropy has no gradient left where logits are far apart."""

    def saturated(images):
        return 1000 * learnt.network(images)

    goal = Goal(learnt.classes)
    loss = F.cross_entropy(saturated(learnt.images), learnt.classes, reduction="none")
    assert (loss < SATURATED).float().mean() > 0.5
    _, gradient = pgd.climb(saturated, learnt.images, goal)
    assert gradient.flatten(1).abs().amax(1).min() > 0
    ball = Ball("linf", EPS)
    plain = attacked(learnt, ball).before_rounding
    found = attacked(learnt, ball, network=saturated).before_rounding
    assert found.sum() >= 0.9 * plain.sum()


def test_a_target_is_what_images_become(learnt):
    target = torch.zeros_like(learnt.classes)
    goal = Goal(target, targeted=True)
    others = learnt.classes != 0
    found = attacked(learnt, Ball("linf", 60 / 255), goal=goal)
    predicted = learnt.network(found.images.float() / LEVELS).argmax(1)
    assert (predicted[found.reached] == 0).all()
    assert found.reached[others].float().mean() > 0.5
    # In a smaller ball some leave their class for another one: that is no success.
    found = attacked(learnt, Ball("linf", EPS), goal=goal, confidence=torch.inf)
    predicted = learnt.network(found.images.float() / LEVELS).argmax(1)
    assert torch.equal(found.reached, predicted == 0)
    assert not found.reached[others].all()


def test_confidence_makes_images_lead_by_more(learnt):
    ball = Ball("linf", EPS)
    hardly, well = (attacked(learnt, ball, confidence=each) for each in (0.0, 2.0))
    torch.testing.assert_close(hardly.reached, well.reached)
    assert (well.lead >= hardly.lead).all()
    assert well.lead[well.reached].median() > hardly.lead[well.reached].median()


def test_what_is_kept_has_the_lead_that_is_told(learnt):
    found = attacked(learnt, Ball("l2", 0.9))
    lead = Goal(learnt.classes).lead(learnt.network(found.images.float() / LEVELS))
    torch.testing.assert_close(lead, found.lead)


def test_leads_are_of_the_best_other_class():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]])
    assert Goal(torch.tensor([0, 0])).lead(logits).tolist() == [-1.0, 5.0]
    assert Goal(torch.tensor([2, 2]), targeted=True).lead(logits).tolist() == [-1.0, -4.0]
