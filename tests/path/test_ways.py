"""Ways: the attack's own stops where it arrives, and attributions along a way add up."""

import pytest
import torch
from torch import nn

from tickle_core.attacks.balls import Ball
from tickle_core.models.path_integral import chain, path_sum
from tickle_core.path import string, ways
from tickle_core.path.analysis import _attribute
from tickle_core.path.landscape import Landscape, score


def network(images):
    """Two classes: whether the left or the right half is brighter."""
    left, right = images[..., :2].mean((1, 2, 3)), images[..., 2:].mean((1, 2, 3))
    return torch.stack([left, right], 1) * 10


def test_an_attack_ends_where_the_image_is_taken_for_the_class():
    start = torch.full((2, 1, 4, 4), 0.5)
    start[0, ..., :2] += 0.02  # hardly left
    start[1, ..., :2] += 0.4
    ball = Ball("linf", 0.05)
    near, far = ways.attack(network, start, torch.tensor([1, 1]), ball, 10, 0.01)
    assert far is None
    predicted = network(near).argmax(1).tolist()
    assert predicted[-1] == 1 and set(predicted[:-1]) == {0}
    assert (near - start[0]).abs().max() <= 0.05 + 1e-6
    torch.testing.assert_close(near[0], start[0])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_all_of_an_attack_stays_within_the_ball(norm):
    start = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    classes = 1 - network(start).argmax(1)
    ball = Ball(norm, 0.15 if norm == "l2" else 0.05)
    found = ways.attack(network, start, classes, ball, 20, ball.eps / 5)
    assert 0 < sum(nodes is None for nodes in found) < 20  # some are out of reach
    for nodes, image in zip(found, start, strict=True):
        if nodes is not None:
            change = (nodes - image).flatten(1)
            size = change.norm(dim=1) if norm == "l2" else change.abs().amax(1)
            assert size.max() <= ball.eps + 1e-6
            assert nodes.min() >= 0 and nodes.max() <= 1


def test_an_image_that_is_of_the_class_already_needs_no_way():
    start = torch.full((1, 1, 4, 4), 0.5)
    start[..., 2:] += 0.2
    [found] = ways.attack(network, start, torch.tensor([1]), Ball("linf", 0.05), 3, 0.01)
    assert len(found) == 1


def landscape():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Softplus(), nn.Linear(12, 1))
    return Landscape(lambda points, _: layers(points).squeeze(1), 100, (0.0, 1.0))


def test_the_string_starts_from_the_cheaper_way(bowl, ends):
    """Around the bowl's bottom, the detour through it is the cheaper start."""
    [line] = ends(175)
    detour = torch.stack([line[0], torch.tensor([0.0, 0.01]), line[1]])
    found = ways.between(bowl, [detour, line], [True, False], 8, 10)
    assert found.graph[1] is None and torch.equal(found.graph[0], detour)
    costs = [score(bowl, path, pair, 9).cost for pair, path in enumerate(found.strings)]
    assert all(cost < 1.05 for cost in costs)
    torch.testing.assert_close(found.straight[0], line)


def test_pairs_that_are_relaxed_in_parts_keep_their_own_landscape(monkeypatch):
    tilts = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    field = Landscape(lambda x, which: (x * tilts[which]).sum(1) + x.square().sum(1) / 2, 100)
    lines = [torch.tensor([[1.0, 0.0], [0.0, 1.5]]) + place for place in range(3)]
    whole = ways.between(field, lines, [False] * 3, 8, 5)
    monkeypatch.setattr(ways, "RELAX_BYTES", 1)
    parts = ways.between(field, lines, [False] * 3, 8, 5)
    for one, other in zip(whole.strings, parts.strings, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_attributions_along_a_way_add_up_to_the_rise():
    field = landscape()
    nodes = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    [curve] = string.spread(nodes[None], 6)
    maps, residuals = _attribute(field, [nodes, curve])
    which = torch.zeros(2, dtype=torch.int64)
    start, end = field.function(nodes[[0, -1]], which).tolist()
    for found, residual in zip(maps, residuals, strict=True):
        assert found.shape == (4, 4)
        assert abs(found.sum() - (end - start)) < 0.01 * abs(end - start)
        assert residual < 0.01


def test_a_chain_of_two_points_is_their_line():
    points = torch.rand(2, 3, generator=torch.Generator().manual_seed(0))
    line = chain(points, torch.tensor([[0, 1]]), torch.tensor([2]))
    at = torch.tensor([0.0, 0.25, 1.0])
    found = line(torch.tensor([0]), at)[0]
    torch.testing.assert_close(found, torch.lerp(points[:1], points[1:], at[:, None]))
    total = path_sum(lambda x, _: x.sum(1), line, torch.tensor([0]), 4, 10)
    torch.testing.assert_close(total[0], points[1] - points[0])
