"""What a user's own module of architectures might hold."""

from dataclasses import dataclass

import torch
from torch import nn


class Plain(nn.Module):
    """One convolution and one linear layer."""

    def __init__(self, num_classes=3):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.fc(self.norm(self.conv(x)).relu().mean((2, 3)))


def tied():
    """Two linear layers that are one."""
    first = nn.Linear(3, 3)
    second = nn.Linear(3, 3)
    second.weight = first.weight
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), first, nn.ReLU(), second, nn.Linear(3, 4)
    )


def no_module():
    return "no network"


def one_logit():
    return Plain(num_classes=1)


class Squeezed(Plain):
    """One logit without an axis of its own."""

    def forward(self, x):
        return super().forward(x).squeeze(1)


def squeezed():
    return Squeezed(num_classes=1)


class Probabilities(Plain):
    """A softmax too many."""

    def forward(self, x):
        return super().forward(x).softmax(1)


def probabilities():
    return Probabilities(num_classes=3)


@dataclass
class Output:
    """What Hugging Face's models give."""

    logits: torch.Tensor


class Answering(nn.Module):
    """A network inside that gives an object."""

    def __init__(self, num_classes=3):
        super().__init__()
        self.body = Plain(num_classes)

    def forward(self, pixel_values, labels=None):
        return Output(logits=self.body(pixel_values))


class Features(nn.Module):
    """A backbone: features of nine parts of an image."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(3)

    def forward(self, x):
        return self.pool(self.conv(x).relu()).flatten(1)


def features():
    return Features()


def projected():
    """An embedding that a linear layer makes, which is no classifier."""
    return nn.Sequential(Features(), nn.Linear(72, 16))


def maps():
    return nn.Conv2d(3, 8, 3)
