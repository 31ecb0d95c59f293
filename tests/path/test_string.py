"""The string method and what paths cost, against known answers."""

import math

import pytest
import torch
from torch import nn

from tickle_core.path import string
from tickle_core.path.landscape import Landscape, score
from tickle_core.path.ways import between

PARTS = 9


def cheapest(landscape, ends, segments=32, steps=60):
    *_, found = string.relax(landscape, ends, segments, steps)
    return found


@pytest.mark.parametrize("dimensions", [2, 50])
@pytest.mark.parametrize("degrees", [60, 85, 120, 180])
def test_cheapest_paths_of_a_bowl_cost_what_they_should(bowl, ends, degrees, dimensions):
    """The sine of the angle, and above 90 degrees 1: straight to the bottom and up again."""
    [path] = cheapest(bowl, ends(degrees, dimensions), steps=40)
    truth = math.sin(math.radians(degrees)) if degrees < 90 else 1.0
    assert score(bowl, path, 0, PARTS).cost == pytest.approx(truth, rel=5e-3)


@pytest.mark.parametrize(
    ("degrees", "cost"), [(60, 0.91198), (85, 1.12184), (120, 1.19526), (180, 1.0)]
)
def test_straight_lines_cost_what_they_should(bowl, ends, degrees, cost):
    [line] = string.spread(ends(degrees), 32)
    assert score(bowl, line, 0, PARTS).cost == pytest.approx(cost, abs=1e-4)


def crooked(seed, nodes=7, dimensions=3):
    return torch.randn(nodes, dimensions, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(10))
def test_no_path_costs_less_than_l_rises(bowl, seed):
    found = score(bowl, crooked(seed), 0, 30)
    assert found.cost >= found.rise * (1 - 1e-3)
    assert found.excess >= -1e-3


def test_cost_depends_neither_on_nodes_nor_on_the_direction(bowl):
    path = crooked(0)
    inserted = torch.stack([path[:-1], torch.lerp(path[:-1], path[1:], 0.3)], 1).flatten(0, 1)
    inserted = torch.cat([inserted, path[-1:]])
    one = score(bowl, path, 0, 200)
    for other in (path.flip(0), inserted):
        found = score(bowl, other, 0, 200)
        assert found.cost == pytest.approx(one.cost, rel=1e-3)
        assert found.length == pytest.approx(one.length, rel=1e-5)
        assert found.rise == pytest.approx(one.rise, rel=1e-4)


def rectified(seed=0, width=16, dimensions=3):
    """A network of ReLUs with random weights."""
    rng = torch.Generator().manual_seed(seed)
    first, second = nn.Linear(dimensions, width), nn.Linear(width, width)
    last = nn.Linear(width, 1)
    with torch.no_grad():
        for layer in (first, second, last):
            for each in layer.parameters():
                each.copy_(torch.randn(each.shape, generator=rng) / each.shape[-1] ** 0.5)
    layers = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
    return Landscape(lambda points, _: layers(points.flatten(1)).squeeze(1), 1000)


@pytest.mark.parametrize("seed", range(5))
def test_no_path_through_a_network_costs_less_than_l_goes_up_and_down(seed):
    landscape, path = rectified(seed), crooked(seed)
    dense = string.spread(path[None], 1000)[0]
    values, _ = landscape.look(dense, torch.zeros(len(dense), dtype=torch.int64))
    found = score(landscape, path, 0, 200)
    assert found.cost >= float(values.diff().abs().sum()) * (1 - 1e-2)
    assert found.cost >= found.rise


def test_a_path_straight_up_the_gradient_has_no_excess(bowl):
    line = torch.tensor([[0.5, 0.0], [2.0, 0.0]])
    assert score(bowl, line, 0, PARTS).excess == pytest.approx(0, abs=1e-5)


def test_nodes_are_spread_evenly_and_ends_stay():
    several = torch.stack([crooked(1), crooked(2)])
    several[1, 3] = several[1, 2]  # a node that is there twice
    for segments in (3, 6, 20):
        found = string.spread(several, segments)
        assert found.shape == (2, segments + 1, 3)
        torch.testing.assert_close(found[:, [0, -1]], several[:, [0, -1]])
    fine = string.spread(several, 2000)
    lengths = fine.diff(dim=1).norm(dim=2)
    assert (lengths.amax(1) < 1.01 * lengths.median(dim=1).values).all()


def test_nodes_are_spread_along_a_known_path():
    corner = torch.tensor([[[0.0, 0.0], [3.0, 0.0], [3.0, 0.0], [3.0, 1.0]]])
    expected = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [3.0, 1.0]]])
    torch.testing.assert_close(string.spread(corner, 4), expected)


def test_a_path_that_stands_still_stays_where_it_is(bowl):
    still = torch.ones(1, 4, 2)
    assert torch.equal(string.spread(still, 6), torch.ones(1, 7, 2))
    found = cheapest(bowl, still, 8, 3)
    assert torch.equal(found, torch.ones(1, 9, 2))
    assert score(bowl, found[0], 0, PARTS).cost == 0


def wall(points, _):
    """Flat but for a ridge of rectified lines across the way, which ends to one side."""
    x, y = points[:, 0], points[:, 1]
    ridge = (1 - 4 * (x - 0.44).abs()).relu() * (1 - 2 * (y - 0.1).abs()).relu()
    return 0.1 * x + 4 * ridge


def test_a_network_of_rectified_lines_is_gone_around():
    landscape = Landscape(wall, 1000)
    ends = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])
    line = string.spread(ends, 16)
    straight = score(landscape, line[0], 0, PARTS)
    found = score(landscape, cheapest(landscape, ends, 16, 60)[0], 0, PARTS)
    assert straight.cost > 5
    assert found.cost < straight.cost / 4


def test_relaxing_never_raises_the_cost(bowl):
    for landscape in (bowl, Landscape(wall, 1000)):
        start = torch.stack([crooked(seed, 3, 2) for seed in range(4)])
        before = string.spread(start, 8)
        after = cheapest(landscape, start, 8, 5)
        for pair in range(4):
            costs = [score(landscape, each[pair], pair, 40).cost for each in (after, before)]
            assert costs[0] <= costs[1] * 1.05
        torch.testing.assert_close(after[:, [0, -1]], start[:, [0, -1]])


def simpson(landscape, nodes):
    """Cost (p,) from gradients at nodes and in the middle between them."""
    points = string.with_middles(nodes)
    which = torch.arange(len(points)).repeat_interleave(points.shape[1])
    slopes = landscape.look(points.flatten(0, 1), which)[1].flatten(1).double().norm(dim=1)
    slopes = slopes.view(points.shape[:2])
    weighed = (slopes[:, 0:-1:2] + 4 * slopes[:, 1::2] + slopes[:, 2::2]) / 6
    return (weighed * nodes.diff(dim=1).double().norm(dim=2)).sum(1)


@pytest.mark.parametrize("seed", range(4))
def test_no_step_raises_the_cost_that_it_looks_at(bowl, seed):
    start = torch.stack([crooked(seed + 10 * place) for place in range(3)])
    for landscape in (bowl, rectified(seed)):
        before = start
        for nodes in string.relax(landscape, start, 16, 4):
            given = string.spread(before, nodes.shape[1] - 1)
            assert (simpson(landscape, nodes) <= simpson(landscape, given) * (1 + 1e-5)).all()
            before = nodes
        assert (simpson(landscape, nodes) < 0.9 * simpson(landscape, start)).all()


def test_a_string_costs_no_more_than_the_crooked_way_that_it_starts_from():
    """Two ridges that end to one side, and a way around them with sharp corners."""

    def ridges(points, _):
        x, y = points[:, 0], points[:, 1]
        crossing = (1 - 8 * (x - 0.2).abs()).relu() + (1 - 8 * (x - 0.8).abs()).relu()
        return 5 * crossing * (1 - 8 * (y.abs() - 0.9).relu()).relu() + 0.1 * x

    landscape = Landscape(ridges, 1000)
    around = torch.tensor([[0.0, 0.0], [0.0, 1.2], [1.0, 1.2], [1.0, 0.0]])
    found = between(landscape, [around], [True], 16, 12)
    costs = [score(landscape, each, 0, 50).cost for each in (found.strings[0], around)]
    assert costs[0] <= costs[1] * 1.01


def test_paths_do_not_depend_on_their_company(bowl, ends):
    together = cheapest(bowl, torch.cat([ends(60), ends(85)]), 8, 20)
    alone = cheapest(bowl, ends(85), 8, 20)
    torch.testing.assert_close(together[1], alone[0], atol=1e-4, rtol=1e-4)


def test_paths_keep_within_bounds():
    """The cheapest path would dip towards the bottom of a bowl that is out of bounds."""
    bottom = torch.tensor([0.65, 0.0])
    inside, free = (
        Landscape(lambda points, _: (points - bottom).square().sum(1) / 2, 100, bounds)
        for bounds in ((0.3, 1.0), None)
    )
    ends = torch.tensor([[[0.3, 0.4], [1.0, 0.4]]])
    found = cheapest(inside, ends, 16, 30)
    assert found.min() >= 0.3 - 1e-6 and found.max() <= 1 + 1e-6
    assert cheapest(free, ends, 16, 30).min() < 0.25


def test_points_may_have_any_shape(bowl, ends):
    flat = ends(60, 4)
    shaped = cheapest(bowl, flat.view(1, 2, 1, 2, 2), 8, 10)
    torch.testing.assert_close(shaped.flatten(2), cheapest(bowl, flat, 8, 10))


def test_gradients_may_lie_in_memory_as_they_like():
    """Convolutions give those of colour images with channels last."""

    def brightness(points, _):
        inside = points.contiguous(memory_format=torch.channels_last)
        return inside.square().sum((1, 2, 3)) / 2

    ends = torch.rand(1, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    found = cheapest(Landscape(brightness, 7), ends, 8, 3)
    plain = Landscape(lambda points, _: points.flatten(1).square().sum(1) / 2, 7)
    torch.testing.assert_close(found, cheapest(plain, ends, 8, 3))
