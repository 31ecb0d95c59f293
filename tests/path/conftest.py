"""Landscapes whose cheapest paths are known."""

import math

import pytest
import torch

from tickle_core.path.landscape import Landscape


@pytest.fixture(scope="session")
def bowl():
    """L = ||x||^2 / 2."""
    return Landscape(lambda points, _: points.flatten(1).square().sum(1) / 2, 1000)


@pytest.fixture(scope="session")
def ends():
    """Two points at distance 1 from the origin, so many degrees apart: (1, 2, dimensions)."""

    def make(degrees, dimensions=2):
        found = torch.zeros(1, 2, dimensions)
        angle = math.radians(degrees)
        found[0, 0, 0] = 1
        found[0, 1, 0], found[0, 1, 1] = math.cos(angle), math.sin(angle)
        return found

    return make
