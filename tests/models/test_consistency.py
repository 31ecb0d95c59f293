"""Networks whose activations of an image depend on more than the image are refused."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tickle_core.errors import TickleError
from tickle_core.models import consistency
from tickle_core.models.layers import observe


class Sound(nn.Module):
    """Images are on their own in it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.late = nn.Conv2d(8, 8, 3)
        self.fc = nn.Linear(8, 3)

    def between(self, x):
        return x

    def forward(self, x):
        x = self.between(self.norm(self.conv(x)).relu())
        return self.fc(self.late(x).mean((2, 3)))


class Dropping(Sound):
    def between(self, x):
        return F.dropout(x, 0.2)


class Remembering(Sound):
    last = 0.0

    def between(self, x):
        x = x + self.last
        self.last = float(x.mean())
        return x


class OverBatch(Sound):
    def between(self, x):
        return x - x.mean(0, keepdim=True)


class Neighbouring(Sound):
    def between(self, x):
        return x + 0.1 * x.roll(1, 0)


class Keeping(Sound):
    """What a hook for features does: it leaves them in the module, for later."""

    def forward(self, x):
        self.kept = self.conv(x)
        x = self.late(self.norm(self.kept).relu())
        return self.fc(x.mean((2, 3)) + self.kept.mean((2, 3)))


def required(network, images=None):
    network = network.eval()
    images = torch.randn(6, 3, 32, 32) if images is None else images
    consistency.require(network, images, list(observe(network, images[:1]).candidates))


@pytest.mark.parametrize("count", [1, 2, 6])
def test_a_sound_network_passes(count):
    required(Sound(), torch.randn(count, 3, 32, 32))


@pytest.mark.slow
def test_sound_networks_of_the_libraries_pass():
    import timm

    required(timm.create_model("vit_tiny_patch16_224", img_size=32))
    required(timm.create_model("test_efficientnet"))


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (Dropping, "run twice with the same images, it differs, first in late.*chance"),
        (Remembering, "the same random numbers, it differs, first in late.*state that is kept"),
        (OverBatch, "alone gives something else than in a batch, first in late.*statistics"),
        (Neighbouring, "alone gives something else than in a batch, first in late"),
    ],
)
def test_one_line_says_what_differs(network, told):
    with pytest.raises(TickleError, match=told):
        required(network())


def test_threads_that_share_what_is_kept(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    with pytest.raises(TickleError, match="in threads, .*keeps in the module"):
        required(Keeping())


def test_the_random_numbers_of_others_stay_as_they_are():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    images = torch.ones(2, 3, 32, 32) * torch.tensor([1.0, 2.0])[:, None, None, None]
    network = Sound()
    torch.manual_seed(5)
    required(network, images)
    assert torch.equal(torch.rand(3), expected)


def test_the_network_is_left_without_hooks():
    network = Sound()
    required(network)
    assert not any(module._forward_hooks for module in network.modules())
