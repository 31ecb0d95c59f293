"""Which tails are linear: what stands behind a layer decides, whatever the layer is."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torchvision.models import VisionTransformer

from tickle_core.models import linearity
from tickle_core.models.classifier import Classifier
from tickle_core.models.layers import survey
from tickle_core.models.linearity import TOLERANCE, measure
from tickle_core.models.small_resnet import SmallResNet

CPU = torch.device("cpu")


class Behind(nn.Module):
    """A layer, something behind it, then the mean over positions and one linear layer."""

    def __init__(self, behind):
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(3, 16, 3, stride=4), nn.ReLU())
        self.behind = behind
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc(self.behind(self.layer(x)).mean((2, 3)))


class Residual(nn.Module):
    """A block whose branch is no clean cut, with or without a ReLU where the two meet."""

    def __init__(self, meeting):
        super().__init__()
        self.stem, self.branch = nn.Conv2d(3, 16, 3, stride=4), nn.Conv2d(16, 16, 1)
        self.meeting, self.fc = meeting, nn.Linear(16, 3)

    def forward(self, x):
        x = self.stem(x)
        return self.fc(self.meeting(x + self.branch(x)).mean((2, 3)))


class ChannelNorm(nn.LayerNorm):
    """Over the channels of maps."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def prepared(network, change=None):
    network.eval()
    for weight in network.parameters():  # some start at zero and would hide what is before them
        weight.data += 0.05 * torch.randn_like(weight)
    if change:
        change(network)
    card = {
        "preprocessing": {"mean": [0.5] * 3, "std": [0.3] * 3},
        "layers": survey(network, torch.zeros(1, 3, 32, 32)),
    }
    return Classifier(network, card, CPU)


def measured(network, images, change=None):
    return measure(prepared(network, change), images)


@pytest.mark.parametrize(
    ("behind", "linear"),
    [
        (nn.Identity(), True),
        (nn.AvgPool2d(2), True),
        (nn.Sequential(nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16)), True),
        (nn.Sequential(nn.Conv2d(16, 16, 1), nn.ReLU()), False),
        (nn.Sequential(nn.Conv2d(16, 16, 1), nn.GELU()), False),
        (ChannelNorm(16), False),
        (nn.MaxPool2d(2), False),
        (nn.ReLU(), False),  # between real outputs, which a ReLU gave, this changes nothing
    ],
    ids=lambda value: "" if isinstance(value, bool) else type(value).__name__,
)
def test_what_stands_behind_decides(behind, linear, photographs):
    layers = measured(Behind(behind), photographs)
    assert layers["layer"]["linear_tail"] == linear
    assert (layers["layer"]["nonlinearity"] == 0) == linear
    assert layers["layer"]["shape"] == [16, 8, 8]  # what the card had stays
    assert not layers["layer.0"]["linear_tail"]  # a ReLU follows
    assert layers["fc"]["linear_tail"]  # nothing does


@pytest.mark.parametrize("linear", [True, False])
def test_a_layer_that_something_goes_past_is_measured_with_it(linear, photographs):
    meeting = nn.Identity() if linear else nn.ReLU()
    layers = measured(Residual(meeting), photographs)
    assert not layers["branch"]["clean_cut"]
    assert layers["branch"]["linear_tail"] == linear
    assert layers["stem"]["linear_tail"] == linear


def test_the_small_network(photographs):
    layers = measured(SmallResNet(3, 3), photographs)
    linear = [path for path, layer in layers.items() if layer["linear_tail"]]
    # In the order of the modules: the last block and what is it, then what follows.
    assert linear == ["layer3", "layer3.0", "layer3.0.relu2", "pool", "fc"]


def test_a_vision_transformer(photographs):
    network = VisionTransformer(
        image_size=32,
        patch_size=8,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=3,
    )
    layers = measured(network, photographs)
    # A LayerNorm stands between the last block and the linear layer.
    linear = [path for path, layer in layers.items() if layer["linear_tail"]]
    assert linear == ["encoder", "encoder.ln", "heads", "heads.head"]


def test_a_tail_that_gives_one_answer_for_everything_is_linear(photographs):
    def silence(network):
        network.fc.weight.data.zero_()

    layers = measured(Behind(nn.ReLU()), photographs, silence)
    assert layers["layer"]["linear_tail"]


def test_a_tail_without_an_answer_is_not(photographs):
    class Root(nn.Module):
        def forward(self, x):
            return x.sqrt()  # not a number beyond what is natural

    layers = measured(Behind(Root()), photographs)
    assert not layers["layer"]["linear_tail"]
    assert layers["layer"]["nonlinearity"] == linearity.LARGEST


def test_last_bits_do_not_show(photographs):
    """Neither a rounding of the weights nor the size of the logits changes the entries."""

    def rounded(network):
        for weight in network.parameters():
            weight.data *= 1 + 1e-6 * torch.randn_like(weight)

    def louder(network):
        for weight in network.fc.parameters():
            weight.data *= 1024

    found = []
    for change in (None, rounded, louder):
        torch.manual_seed(0)
        found.append(measured(Behind(nn.ReLU()), photographs, change))
    assert found == found[:1] * 3


def test_the_tolerance_is_far_from_both_sides(photographs):
    deviations = {}
    for name, behind in (("linear", nn.Identity()), ("gentle", nn.Tanh())):
        classifier = prepared(Behind(behind))
        inputs = classifier.preprocess(photographs.read(np.arange(linearity.PAIRS + 1)))
        with torch.no_grad():
            deviations[name] = linearity._nonlinearity(classifier.network, "layer", inputs)
    assert deviations["linear"] < TOLERANCE / 100
    assert deviations["gentle"] > TOLERANCE * 5, deviations


@pytest.mark.parametrize("labels", [[0] * 30 + [1] * 2, [0, 0, 0, 1, 1, 2], [5], [3] * 20])
def test_images_of_a_pair_are_of_different_classes_where_there_are_two(labels):
    chosen = linearity._of_different_classes(pd.DataFrame({"label": labels}))
    assert len(set(chosen.tolist())) == min(len(labels), linearity.PAIRS + 1)
    picked = np.array(labels)[chosen]
    counts = pd.Series(labels).value_counts()
    alternating = 2 * counts.min() if len(counts) > 1 else 0
    assert (picked[1:alternating] != picked[: max(alternating - 1, 0)]).all()
