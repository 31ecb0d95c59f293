"""Head and tail of every kind of network, against the whole network."""

import functools
import logging

import pytest
import timm
import torch
import torchvision.models as zoo
from torch import nn

from tickle_core.errors import TickleError
from tickle_core.models import split
from tickle_core.models.small_resnet import SmallResNet
from tickle_core.models.split import NotACleanCut, tail_of

GOOGLENET = {"init_weights": False, "transform_input": True, "num_classes": 10}
NETWORKS = {
    "small_resnet": (lambda: SmallResNet(3, 10), 28),
    "resnet18": (zoo.resnet18, 64),
    "resnet50": (zoo.resnet50, 64),
    "googlenet": (lambda: zoo.googlenet(**GOOGLENET), 64),
    "vit_b_16": (lambda: zoo.vit_b_16(image_size=64), 64),
    "convnext_tiny": (zoo.convnext_tiny, 64),
    "efficientnet_b0": (zoo.efficientnet_b0, 64),
    "mobilenet_v3_small": (zoo.mobilenet_v3_small, 64),
    "swin_t": (zoo.swin_t, 64),
    "tf_efficientnet_lite0": (lambda: timm.create_model("tf_efficientnet_lite0"), 64),
    "vit_tiny": (lambda: timm.create_model("vit_tiny_patch16_224", img_size=64), 64),
    "convnext_atto": (lambda: timm.create_model("convnext_atto"), 64),
}
CLEAN = {
    "small_resnet": ["stem.0", "stem.1", "layer1.0", "layer2", "layer3.0.relu2", "pool", "fc"],
    "resnet18": ["conv1", "bn1", "layer1.1", "layer2", "layer4.1", "avgpool", "fc"],
    "resnet50": ["bn1", "layer2.0", "layer3", "layer4.2"],
    "googlenet": ["conv1.bn", "conv2", "inception4a", "inception5b", "avgpool", "dropout"],
    "vit_b_16": ["conv_proj", "encoder.dropout", "encoder.layers.encoder_layer_5", "encoder.ln"],
    "convnext_tiny": ["features.0", "features.1.2", "features.4.1", "avgpool", "classifier.1"],
    "efficientnet_b0": ["features.0.1", "features.1.0.block.0", "features.5.2", "features.8"],
    "mobilenet_v3_small": ["features.0.0", "features.2.block.1", "features.9", "classifier.1"],
    "swin_t": ["features.0", "features.3.0", "features.7.1", "permute"],
    "tf_efficientnet_lite0": ["bn1", "blocks.1.0", "blocks.3.0.bn2.act", "blocks.6", "bn2.act"],
    "vit_tiny": ["patch_embed", "pos_drop", "blocks.5", "norm", "head_drop"],
    "convnext_atto": ["stem.0", "stages.1", "stages.2.blocks.3", "head.norm"],
}
INSIDE_A_BLOCK = {  # and what the obstacle must name
    "small_resnet": ("layer2.0.bn2", "layer2.0.shortcut"),
    "resnet18": ("layer4.1.bn2", "layer4.0"),
    "googlenet": ("inception4b.branch2", "inception4b.branch1"),
    "vit_b_16": ("encoder.layers.encoder_layer_3.mlp", "encoder.layers.encoder_layer_3"),
    "convnext_tiny": ("features.3.1.block.0", "features.3.0"),
    "mobilenet_v3_small": ("features.1.block.1.fc1", "features.1.block.0"),
    "tf_efficientnet_lite0": ("blocks.1.1.bn2", "blocks.1.0"),
    "vit_tiny": ("blocks.3.attn.proj", "blocks.2"),
}


@functools.cache
def network_and_images(name):
    torch.manual_seed(0)
    make, size = NETWORKS[name]
    network = make().eval().to(memory_format=torch.channels_last)
    for weight in network.parameters():  # some start at zero and would hide what follows them
        weight.data += 0.01 * torch.randn_like(weight)
    images = torch.randn(3, 3, size, size).to(memory_format=torch.channels_last)
    return network, images


def whole(network, layer, images, change=None):
    """Logits, and the layer's output as the network goes on from it, seen by a plain hook."""
    seen = []

    def hook(module, inputs, output):
        output = output.clone() if change is None else change
        seen.append(output)
        return output.clone()

    handle = network.get_submodule(layer).register_forward_hook(hook)
    try:
        return network(images), seen[0]
    finally:
        handle.remove()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer"), [(name, layer) for name, layers in CLEAN.items() for layer in layers]
)
@torch.no_grad()
def test_tail_after_head_is_the_network_to_the_bit(name, layer):
    network, images = network_and_images(name)
    head, tail = split.split(network, layer, images[:1])
    logits, expected = whole(network, layer, images)
    acts = head(images)
    assert torch.equal(acts, expected)
    assert torch.equal(tail(acts), network(images))
    assert torch.equal(acts, expected)  # the tail left it as it was
    assert torch.equal(tail(head(images[:1])), network(images[:1]))


@pytest.mark.parametrize("name", INSIDE_A_BLOCK)
def test_a_layer_that_something_goes_past_is_refused_as_a_cut(name):
    network, images = network_and_images(name)
    layer, past = INSIDE_A_BLOCK[name]
    with pytest.raises(NotACleanCut, match=layer) as refusal:
        split.split(network, layer, images[:1])
    assert past in refusal.value.obstacle
    assert "past it" in refusal.value.obstacle


@pytest.mark.parametrize("name", INSIDE_A_BLOCK)
@torch.no_grad()
def test_substitution_is_right_where_no_cut_is(name, caplog):
    network, images = network_and_images(name)
    layer, _ = INSIDE_A_BLOCK[name]
    with caplog.at_level(logging.WARNING):
        tail = tail_of(network, layer, images[:1])
    logits, acts = whole(network, layer, images)
    assert torch.equal(tail(acts, images), logits)
    changed = torch.randn_like(acts)
    expected, _ = whole(network, layer, images, changed)
    assert torch.equal(tail(changed, images), expected)
    assert not torch.equal(expected, logits)
    assert len(caplog.records) == 1  # said once, not at each pass
    assert layer in caplog.text and "whole network" in caplog.text


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("small_resnet", "layer2.0.conv1"),
        ("small_resnet", "layer2"),
        ("resnet18", "bn1"),  # an in-place ReLU follows
        ("googlenet", "inception4b.branch1.bn"),
        ("vit_tiny", "blocks.5"),
        ("tf_efficientnet_lite0", "blocks.3.0"),
    ],
)
def test_gradients_are_those_of_the_whole_network(name, layer):
    network, images = network_and_images(name)
    seen = []

    def hook(module, inputs, output):
        seen.append(output.detach().clone().requires_grad_())
        return seen[0].clone()

    handle = network.get_submodule(layer).register_forward_hook(hook)
    logits = network(images)
    handle.remove()
    (expected,) = torch.autograd.grad(logits[:, 3].sum(), seen[0])
    tail = tail_of(network, layer, images[:1])
    acts = seen[0].detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(tail(acts, images)[:, 3].sum(), acts)
    assert expected.abs().max() > 0
    assert torch.equal(gradient, expected)


class Functional(nn.Module):
    """Written without care: statements that change tensors in place, at the top of the network."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.after = nn.Conv2d(4, 5, 1)

    def forward(self, x):
        a = self.conv(x)
        b = self.bn(a)
        if self.how == "statement":
            b.mul_(2)
        if self.how == "joined":
            b.add_(a)
        if self.how == "shape":
            b = b.view(x.shape[0], -1, x.size(2), x.shape[3]) / x.dim()
        if self.how == "branch" and x.sum() > 0:
            b = -b
        if self.how == "past":
            b = b + x[:, :1]
        return self.after(self.relu(b)).mean((2, 3))


def functional(how):
    torch.manual_seed(0)
    return Functional(how).eval(), torch.randn(2, 3, 8, 8)


@pytest.mark.parametrize("how", ["", "statement", "shape"])
@torch.no_grad()
def test_what_happens_in_place_or_asks_for_the_shape_is_kept(how):
    network, images = functional(how)
    head, tail = split.split(network, "bn", images[:1])
    acts = head(images)
    assert torch.equal(acts, network.bn(network.conv(images)))
    assert torch.equal(tail(acts), network(images))


@pytest.mark.parametrize(
    ("how", "obstacle"), [("joined", "conv reaches"), ("past", "getitem in"), ("branch", "trace")]
)
@torch.no_grad()
def test_careless_networks_fall_back(how, obstacle):
    network, images = functional(how)
    with pytest.raises(NotACleanCut, match=obstacle):
        split.split(network, "bn", images[:1])
    tail = tail_of(network, "bn", images[:1])
    acts = network.bn(network.conv(images))
    before = acts.clone()
    assert torch.equal(tail(acts, images), network(images))
    assert torch.equal(acts, before)


def test_dropout_and_batch_norm_do_what_they_do_in_evaluation():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten())
    network.append(nn.Linear(4 * 16, 2)).eval()
    images = torch.randn(8, 3, 4, 4)
    statistics = network[1].running_mean.clone()
    head, tail = split.split(network, "0", images[:1])
    assert torch.equal(tail(head(images)), network(images))
    assert torch.equal(network[1].running_mean, statistics)


def test_the_parts_share_the_weights():
    network, images = functional("")
    _, tail = split.split(network, "bn", images)
    acts = torch.randn(2, 4, 8, 8)
    before = tail(acts)
    with torch.no_grad():
        network.after.bias += 1
    torch.testing.assert_close(tail(acts), before + 1)


def test_wrappers_are_looked_through():
    network, images = network_and_images("small_resnet")
    for wrapped in (nn.DataParallel(network), torch.compile(nn.DataParallel(network))):
        head, tail = split.split(wrapped, "layer2", images[:1])
        assert torch.equal(tail(head(images)), network(images))


def test_training_mode_is_refused():
    network, images = functional("")
    with pytest.raises(TickleError, match=r"training mode.*\.eval"):
        split.split(network.train(), "conv", images)
    network.eval().bn.train()
    with pytest.raises(TickleError, match="bn is in training mode"):
        tail_of(network, "conv", images)


def test_layers_that_are_none_are_refused():
    network, images = network_and_images("resnet18")
    with pytest.raises(TickleError, match=r"layer1.0.relu is called 2 times"):
        tail_of(network, "layer1.0.relu", images)
    with pytest.raises(TickleError, match="no layer 'layer9'"):
        tail_of(network, "layer9", images)
    with pytest.raises(TickleError, match="no layer ''"):
        tail_of(network, "", images)
    network, images = network_and_images("googlenet")
    with pytest.raises(TickleError, match="aux1 is called 0 times"):
        tail_of(network, "aux1", images)
    network, images = network_and_images("vit_b_16")
    with pytest.raises(TickleError, match="not return one tensor"):
        tail_of(network, "encoder.layers.encoder_layer_0.self_attention", images)


def test_what_does_not_fit_the_tail_is_refused():
    network, images = network_and_images("small_resnet")
    clean = tail_of(network, "layer2", images[:1])
    with pytest.raises(TickleError, match=r"\[64, 7, 7\].*\[49, 64\]"):
        clean(torch.zeros(2, 49, 64))
    substituted = tail_of(network, "layer2.0.bn2", images[:1])
    acts = torch.zeros(2, 64, 7, 7)
    with pytest.raises(TickleError, match="needs the 2 preprocessed images too, and got none"):
        substituted(acts)
    with pytest.raises(TickleError, match="got 3"):
        substituted(acts, images)


@pytest.mark.parametrize("layer", ["layer2", "layer2.0.bn2"])
def test_passes_are_counted_in_images(layer):
    network, images = network_and_images("small_resnet")
    tail = tail_of(network, layer, images[:1])
    assert (tail.forward_passes, tail.backward_passes) == (0, 0)
    acts = torch.randn(3, 64, 7, 7, requires_grad=True)
    logits = tail(acts, images)
    for label in (0, 1):
        torch.autograd.grad(logits[:, label].sum(), acts, retain_graph=True)
    with torch.no_grad():
        tail(acts[:2], images[:2])
    assert (tail.forward_passes, tail.backward_passes) == (5, 6)


def test_half_precision():
    network, images = functional("shape")
    network, images = network.bfloat16(), images.bfloat16()
    head, tail = split.split(network, "bn", images)
    assert torch.equal(tail(head(images)), network(images))
