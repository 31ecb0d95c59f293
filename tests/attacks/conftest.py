"""A small network that has learnt noisy patterns, and images that it gets right."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional as F

SIDE, CLASSES, COUNT = 12, 4, 120


@dataclass(frozen=True)
class Learnt:
    """A network of pixels in [0, 1], images with 8 bits that it classifies correctly, classes."""

    network: nn.Module
    images: torch.Tensor
    classes: torch.Tensor


def draw(count, seed):
    """Images of bars, blobs, checks and slants, and their classes."""
    rng = torch.Generator().manual_seed(seed)
    classes = torch.arange(count) % CLASSES
    rows = torch.arange(SIDE)
    patterns = torch.stack(
        [
            (rows[:, None] % 4 < 2).float().expand(SIDE, SIDE),
            ((rows[:, None] - 5.5) ** 2 + (rows[None] - 5.5) ** 2 < 16).float(),
            ((rows[:, None] // 3 + rows[None] // 3) % 2).float(),
            ((rows[:, None] + rows[None]) % 6 < 2).float(),
        ]
    )
    noise = torch.rand(count, SIDE, SIDE, generator=rng)
    strength = 0.2 + 0.3 * torch.rand(count, 1, 1, generator=rng)
    images = (strength * patterns[classes] + 0.5 * noise).clamp(0, 1)
    return (images[:, None] * 255).round() / 255, classes


def learn(seed):
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 9, CLASSES),
    )
    images, classes = draw(300, seed + 1)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(80):
        optimizer.zero_grad()
        F.cross_entropy(network(images), classes).backward()
        optimizer.step()
    with torch.no_grad():  # so that no softmax is saturated
        for parameter in network[-1].parameters():
            parameter *= 0.3
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def learnt():
    network = learn(0)
    images, classes = draw(COUNT, 100)
    right = network(images).argmax(1) == classes
    assert right.float().mean() > 0.8
    return Learnt(network, images[right], classes[right])


@pytest.fixture(scope="session")
def another():
    """Another network that has learnt the same."""
    return learn(7)
