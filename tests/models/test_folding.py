"""Folding batch norm: the same function, and a refusal to guess."""

import pytest
import timm
import torch
from torch import nn

from tickle_core.errors import TickleError
from tickle_core.models.folding import fold
from tickle_core.models.small_resnet import SmallResNet

IMAGES = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def trained(network):
    """Evaluation mode, with norms that do something."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                tensor.data = torch.rand(tensor.shape, generator=generator) + 0.5
    return network.eval()


def norms(network):
    return [path for path, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)]


def outputs(network, path):
    found = []
    handle = network.get_submodule(path).register_forward_hook(lambda *call: found.append(call[2]))
    with torch.no_grad():
        found.append(network(IMAGES))
    handle.remove()
    return found


class Branched(nn.Module):
    """What the convolution gives goes into the norm and around it, too."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.conv(x)
        return (self.norm(x) + x).mean((2, 3))


class PreActivation(nn.Module):
    """The norm comes before its convolution."""

    def __init__(self):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(self.norm(x).relu()).mean((2, 3))


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        (SmallResNet(3, 10), "layer2"),
        (timm.create_model("tf_efficientnet_lite0", num_classes=5), "blocks.2"),
        (timm.create_model("densenet121", num_classes=5), "features.denseblock1"),
    ],
    ids=["resnet", "activation inside the norm", "norms before convolutions"],
)
def test_a_folded_network_gives_the_same_with_fewer_norms(network, layer):
    network = trained(network)
    folded = fold(network, IMAGES, [layer])
    assert len(norms(folded)) < len(norms(network)) / 2 + 2
    for after, before in zip(outputs(folded, layer), outputs(network, layer), strict=True):
        torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3 * float(before.abs().max()))


def test_the_network_itself_is_left_as_it_is():
    network = trained(SmallResNet(3, 10))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fold(network, IMAGES, [])
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_gradients_reach_the_images_alike():
    network = trained(SmallResNet(3, 10))
    gradients = []
    for each in (network, fold(network, IMAGES, [])):
        images = IMAGES.clone().requires_grad_()
        each(images)[:, 0].sum().backward()
        gradients.append(images.grad)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4 * float(gradients[0].abs().max()))


def test_a_convolution_that_is_looked_at_keeps_its_output():
    network = trained(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten()))
    assert norms(fold(network, IMAGES, ["0"])) == ["1"]
    assert norms(fold(network, IMAGES, ["1"])) == []


def test_where_folding_would_be_wrong_the_network_itself_comes_back(caplog):
    network = trained(Branched())
    assert fold(network, IMAGES, []) is network
    assert "cannot be folded" in caplog.text


def test_a_norm_before_its_convolution_stays():
    network = trained(PreActivation())
    assert norms(fold(network, IMAGES, [])) == ["norm"]


def test_a_network_in_training_is_refused():
    with pytest.raises(TickleError, match="training mode"):
        fold(trained(PreActivation()).train(), IMAGES, [])
