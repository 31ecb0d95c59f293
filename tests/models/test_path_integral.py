"""Attributions along paths: known answers, completeness, and an independent library."""

import pytest
import torch
from captum.attr import IntegratedGradients, LayerIntegratedGradients
from torch import nn

from tickle_core.models.path_integral import integrate, path_sum, straight

CPU = torch.device("cpu")


class Network(nn.Module):
    def __init__(self, kind=nn.ReLU):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), kind())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2), kind())
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(self.second(self.first(x)).mean((2, 3)))


def of(network, target=1):
    return lambda points, which: network(points)[:, target]


def sized(count, seed=1):
    return torch.randn(count, 2, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [nn.ReLU, nn.Tanh])
def test_integrated_gradients_are_captum_s_at_the_same_nodes(kind):
    network, inputs, start = Network(kind), sized(3), sized(1, seed=2)
    found = path_sum(of(network), straight(start, inputs), torch.arange(3), 16, at_once=7)
    expected = IntegratedGradients(network).attribute(
        inputs, start.expand_as(inputs), target=1, n_steps=16, method="riemann_middle"
    )
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-5)


def test_integrated_gradients_of_a_layer_are_captum_s():
    network, inputs, start = Network(), sized(3), sized(1, seed=2)
    with torch.no_grad():
        ends, first = network.first(inputs), network.first(start)

    def tail(points, which):
        return network.fc(network.second(points).mean((2, 3)))[:, 1]

    found = path_sum(tail, straight(first, ends), torch.arange(3), 16, at_once=7)
    expected = LayerIntegratedGradients(network, network.first).attribute(
        inputs, start.expand_as(inputs), target=1, n_steps=16, method="riemann_middle"
    )
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-5)


def test_a_linear_function_is_exact_in_one_step():
    weights = torch.randn(5, generator=torch.Generator().manual_seed(0))
    start, end = torch.zeros(1, 5), torch.arange(10.0).reshape(2, 5)
    path = straight(start, end)
    found = path_sum(lambda points, which: points @ weights, path, torch.arange(2), 1, 10)
    torch.testing.assert_close(found, end * weights)


def test_attributions_of_a_quadratic_are_half_its_squares():
    """f = |x|^2 / 2 from 0: the integral is x_i^2 / 2, and the midpoint rule is exact."""
    end = torch.tensor([[3.0, -1.0, 0.5]])
    found = integrate(
        lambda points, which: points.square().sum(1) / 2,
        straight(torch.zeros(1, 3), end),
        1,
        CPU,
        most_steps=64,
        tolerance=1e-3,
        at_once=5,
    )
    torch.testing.assert_close(found.attributions, end.square() / 2)
    assert found.steps.tolist() == [8]
    assert float(found.residual) < 1e-6
    assert float(found.change) == pytest.approx(float(end.square().sum() / 2))


def test_steps_double_for_the_images_that_need_it_alone():
    """The first is linear; the second has a kink that eight steps do not meet."""

    def function(points, which):
        kinked = (points[:, 0] - 0.51).relu() * 10
        return torch.where(which == 0, points[:, 0], kinked)

    path = straight(torch.zeros(1, 1), torch.ones(2, 1))
    found = integrate(function, path, 2, CPU, most_steps=512, tolerance=0.005, at_once=16)
    assert found.steps[0] == 8
    assert 8 < found.steps[1] <= 512
    assert (found.residual <= 0.005).all()


def test_the_cap_is_kept_and_the_residual_says_what_is_missing():
    def function(points, which):
        return (points[:, 0] - 0.51).relu() * 10

    path = straight(torch.zeros(1, 1), torch.ones(1, 1))
    found = integrate(function, path, 1, CPU, most_steps=16, tolerance=1e-9, at_once=16)
    assert found.steps.tolist() == [16]
    missed = (found.attributions.sum() - found.change).abs() / found.change.abs()
    assert float(found.residual) == pytest.approx(float(missed))
    assert float(found.residual) > 1e-9


@pytest.mark.parametrize("steps", [8, 64])
def test_any_path_is_complete(steps):
    """A detour gives other attributions and the same sum, up to what the steps miss."""
    network, inputs = Network(nn.Tanh), sized(4)
    line = straight(torch.zeros(1, 2, 8, 8), inputs)

    def detour(images, at):
        bend = torch.sin(torch.pi * at).view(1, -1, 1, 1, 1)
        return line(images, at) + bend * sized(1, seed=9)

    change = (network(inputs) - network(torch.zeros(1, 2, 8, 8)))[:, 1].detach()
    sums = [
        path_sum(of(network), path, torch.arange(4), steps, 10).flatten(1).sum(1)
        for path in (line, detour)
    ]
    for found in sums:
        torch.testing.assert_close(found, change, rtol=0.05 if steps == 8 else 1e-3, atol=2e-3)


def test_how_many_points_go_at_once_changes_nothing():
    network, inputs = Network(), sized(5)
    path = straight(torch.zeros(1, 2, 8, 8), inputs)
    found = [
        integrate(of(network), path, 5, CPU, 32, 0.01, at_once).attributions
        for at_once in (1, 3, 100)
    ]
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])
