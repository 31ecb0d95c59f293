"""The survey of a network's layers, and the cost that it counts."""

import json

import pytest
import timm
import torch
import torchvision.models as zoo
from timm.models.mlp_mixer import MlpMixer
from torch import nn

from tickle_core.errors import TickleError
from tickle_core.models.classifier import require_layers
from tickle_core.models.cost import BATCH, FLOPS_PER_BYTE, CostCounter
from tickle_core.models.layers import observe, survey
from tickle_core.models.small_resnet import SmallResNet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small():
    return survey(SmallResNet(1, 10).eval(), torch.zeros(1, 1, 28, 28))


@pytest.fixture(scope="module")
def resnet18():
    return survey(zoo.resnet18().eval(), torch.zeros(1, 3, 64, 64))


def test_every_layer_of_the_small_network_is_listed_in_its_order(small):
    network = SmallResNet(1, 10)
    assert list(small) == [path for path, _ in network.named_modules() if path]
    assert small["layer2"] | {"tail_share": None} == {
        "shape": [64, 7, 7],
        "layout": "NCHW",
        "prefix": [],
        "grid": [7, 7],
        "clean_cut": True,
        "obstacle": "",
        "tail_share": None,
    }
    assert [small[path]["shape"] for path in ("stem", "layer1", "layer3", "pool", "fc")] == [
        [32, 14, 14],
        [32, 14, 14],
        [128, 4, 4],
        [128, 1, 1],
        [10],
    ]
    assert (small["fc"]["layout"], small["fc"]["grid"]) == ("NC", None)


def test_clean_cuts(small, resnet18):
    clean = {path for path, layer in resnet18.items() if layer["clean_cut"]}
    blocks = {f"layer{stage}.{block}" for stage in range(1, 5) for block in range(2)}
    stages = {f"layer{stage}" for stage in range(1, 5)}
    assert clean == {"conv1", "bn1", "relu", "maxpool", "avgpool", "fc"} | stages | blocks
    assert "layer4.0" in resnet18["layer4.1.bn2"]["obstacle"]
    assert not small["layer2.0.bn2"]["clean_cut"]
    assert all(bool(layer["obstacle"]) != layer["clean_cut"] for layer in resnet18.values())


def test_modules_that_are_called_twice_or_never_are_absent(resnet18):
    assert "layer1.0.relu" not in resnet18
    assert "layer1.0.bn1" in resnet18
    googlenet = zoo.googlenet(init_weights=False).eval()
    layers = survey(googlenet, torch.zeros(1, 3, 64, 64))
    assert "inception5b" in layers
    assert not [path for path in layers if path.startswith("aux")]


@pytest.mark.parametrize("layers", ["small", "resnet18"])
def test_the_tail_share_falls_along_the_network(layers, request):
    layers = request.getfixturevalue(layers)
    shares = [layer["tail_share"] for path, layer in layers.items() if "." not in path]
    assert shares == sorted(shares, reverse=True)
    assert 0.9 < shares[0] < 1
    assert shares[-1] == 0
    assert all(0 <= layer["tail_share"] <= 1 for layer in layers.values())


def test_the_cost_is_what_a_hand_counts():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten())
    network.append(nn.Linear(8 * 36, 10)).eval()
    images = torch.zeros(2, 3, 6, 6)
    with torch.no_grad(), CostCounter(network) as counter:
        network(images)
    image, maps, logits = 2 * 3 * 36, 2 * 8 * 36, 2 * 10
    assert counter.flops == 2 * (maps * 3 * 9 + logits * 8 * 36)
    # The convolution reads the image and writes new maps, the ReLU reads and overwrites them, the
    # linear layer reads them and writes new logits; flattening moves nothing.
    assert counter.moved == 4 * (image + 2 * maps + 2 * maps + maps + 2 * logits)
    assert counter.weights == 4 * (8 * 27 + 8 + 10 * 8 * 36 + 10)
    traffic = counter.moved + 2 * counter.weights / BATCH
    assert counter.total == counter.flops + FLOPS_PER_BYTE * traffic


def test_a_depthwise_convolution_has_a_channels_th_of_the_flops():
    flops = []
    for groups in (1, 16):
        network = nn.Conv2d(16, 16, 3, groups=groups)
        with torch.no_grad(), CostCounter(network) as counter:
            network(torch.zeros(1, 16, 8, 8))
        flops.append(counter.flops)
    assert flops[0] == 16 * flops[1]


def test_attention_is_counted_alike_fused_and_not():
    flops = []
    for fused in (True, False):
        network = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2).eval()
        for block in network.blocks:
            block.attn.fused_attn = fused
        with torch.no_grad(), CostCounter(network) as counter:
            network(torch.zeros(1, 3, 64, 64))
        flops.append(counter.flops)
    assert flops[0] == flops[1]


def test_two_surveys_are_the_same_bytes():
    network = zoo.mobilenet_v3_small().eval()
    first, second = (survey(network, torch.randn(1, 3, 64, 64)) for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


def test_the_survey_leaves_the_network_as_it_was():
    network = zoo.vit_b_16(image_size=32).eval()
    example = torch.zeros(1, 3, 32, 32)
    before, fused = network(example), torch.backends.mha.get_fastpath_enabled()
    survey(nn.DataParallel(network), example)
    assert torch.equal(network(example), before)
    assert torch.backends.mha.get_fastpath_enabled() == fused
    assert not any(module._forward_hooks for module in network.modules())


def test_torchvision_tokens():
    layers = survey(zoo.vit_b_16(image_size=64).eval(), torch.zeros(1, 3, 64, 64))
    block = layers["encoder.layers.encoder_layer_3"]
    assert block["shape"] == [17, 768]
    assert (block["layout"], block["prefix"], block["grid"]) == ("NTC", ["class"], [4, 4])
    assert block["clean_cut"]
    assert layers["conv_proj"]["layout"] == "NCHW"
    assert "encoder.layers.encoder_layer_3.self_attention" not in layers  # returns two things


@pytest.mark.parametrize("side", [2, 3, 4])
def test_timm_tokens_with_registers(side):
    size = 14 * side
    network = timm.create_model("vit_small_patch14_reg4_dinov2", img_size=size, depth=2).eval()
    layers = survey(network, torch.zeros(1, 3, size, size))
    prefix = ["class"] + 4 * ["register"]
    assert layers["patch_embed"]["prefix"] == []
    assert layers["patch_embed"]["grid"] == [side, side]
    assert layers["blocks.1"]["shape"] == [5 + side**2, 384]
    assert layers["blocks.1"]["prefix"] == prefix
    assert layers["blocks.1"]["grid"] == [side, side]


class Sequence(nn.Module):
    """Six tokens, which fill no square, and one token."""

    def __init__(self):
        super().__init__()
        self.class_token = nn.Parameter(torch.zeros(1, 1, 3))
        self.six, self.one, self.logits = nn.Linear(8, 3), nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        tokens = self.six(x.flatten(2)[:, :, :48].reshape(-1, 6, 8))
        return self.logits(self.one(tokens.mean(1, keepdim=True)).flatten(1))


def test_tokens_that_fill_no_square_have_no_grid():
    layers = survey(Sequence().eval(), torch.zeros(1, 1, 8, 8))
    for path in ("six", "one"):
        assert layers[path]["layout"] == "NTC"
        assert (layers[path]["prefix"], layers[path]["grid"]) == ([], None)


def test_channels_last_maps():
    layers = survey(zoo.swin_t().eval(), torch.zeros(1, 3, 64, 64))
    block = layers["features.1.0"]
    assert (block["layout"], block["shape"], block["grid"]) == ("NHWC", [16, 16, 96], [16, 16])
    assert layers["features.0.0"]["layout"] == "NCHW"


def test_training_mode_is_refused():
    with pytest.raises(TickleError, match="training mode"):
        survey(SmallResNet(1, 10), torch.zeros(1, 1, 28, 28))


class Transformer(nn.Module):
    """Patches by unfolding, so that no map tells how many there are, and tokens beside them."""

    def __init__(self, before=0, after=0):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.more = nn.Linear(192, 12), nn.Parameter(torch.randn(1, before + after, 12))
        self.before = before
        self.drop, self.mix = nn.Identity(), nn.Linear(12, 12)
        self.logits = nn.Linear(12, 4)

    def forward(self, x):
        tokens = self.embed(nn.functional.unfold(x, 8, stride=8).mT)
        more = self.more.expand(len(x), -1, -1)
        tokens = torch.cat([more[:, : self.before], tokens, more[:, self.before :]], 1)
        tokens = self.drop(tokens)
        mixed = self.mix(tokens + tokens.mean(1, keepdim=True))
        return self.logits(mixed.mean(1))


@pytest.mark.parametrize(
    ("before", "prefix"),
    [(0, []), (1, ["class"]), (5, ["class", *["register"] * 4])],
)
def test_tokens_before_the_patches_are_found_by_place_and_count(before, prefix):
    layers = survey(Transformer(before).eval(), torch.zeros(1, 3, 32, 32))
    assert layers["mix"]["shape"] == [16 + before, 12]
    assert layers["mix"]["prefix"] == prefix
    assert layers["mix"]["grid"] == [4, 4]
    assert layers["embed"]["prefix"] == []
    assert layers["embed"]["grid"] == [4, 4]


def test_params_say_what_the_tokens_before_the_patches_are():
    said = ["register", "register"]
    layers = survey(Transformer(2).eval(), torch.zeros(1, 3, 32, 32), said)
    assert layers["mix"]["prefix"] == said
    assert layers["mix"]["grid"] == [4, 4]


def test_what_params_say_of_tokens_must_fit_the_network():
    with pytest.raises(TickleError, match="model.prefix names 1 tokens, .* lists of 16, 18"):
        survey(Transformer(2).eval(), torch.zeros(1, 3, 32, 32), ["class"])


def test_tokens_after_the_patches_have_no_grid():
    layers = survey(Transformer(0, after=1).eval(), torch.zeros(1, 3, 32, 32))
    assert layers["embed"]["grid"] == [4, 4]
    assert (layers["mix"]["prefix"], layers["mix"]["grid"]) == ([], None)


class Latents(nn.Module):
    """Sixteen vectors that are no places, each of which sees the whole image."""

    def __init__(self):
        super().__init__()
        self.queries, self.logits = nn.Linear(192, 16 * 4), nn.Linear(64, 2)
        self.tokens = nn.Identity()

    def forward(self, x):
        tokens = self.tokens(self.queries(x.flatten(1)).view(-1, 16, 4))
        return self.logits(tokens.flatten(1))


def test_a_square_number_of_tokens_is_no_proof_of_a_grid():
    layers = survey(Latents().eval(), torch.randn(1, 3, 8, 8))
    assert layers["tokens"]["shape"] == [16, 4]
    assert layers["tokens"]["grid"] is None


def reasons(network, size=64):
    return observe(network.eval(), torch.zeros(1, 3, size, size)).why_not


def test_what_mixes_tokens_is_no_list_of_them():
    told = reasons(MlpMixer(img_size=64, num_blocks=1))
    for path in ("mlp_tokens", "mlp_tokens.fc1", "mlp_tokens.fc2"):
        assert "the 512 rows of its output are channels" in told[f"blocks.0.{path}"]
    assert "blocks.0.mlp_channels" not in told


def test_attention_is_no_feature_map():
    network = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=1)
    network.blocks[0].attn.fused_attn = False
    assert "it gives attention, from 17 tokens to 17" in reasons(network)["blocks.0.attn.attn_drop"]
    heads_last = reasons(timm.create_model("cait_xxs24_224", img_size=64, depth=1))
    assert "attention, from 16 tokens to 16" in heads_last["blocks.0.attn.proj_w"]


class Odd(nn.Module):
    """Modules that are called twice, never, and give two things; tokens before the images."""

    def __init__(self):
        super().__init__()
        self.twice, self.never, self.both = nn.ReLU(), nn.ReLU(), nn.LSTM(3, 3, batch_first=True)
        self.first, self.five = nn.Identity(), nn.Identity()

    def forward(self, x):
        x = self.twice(self.twice(x.mean(3).mT))
        x = self.first(self.both(x)[0].transpose(0, 1)).transpose(0, 1)
        return self.five(x[..., None, None])[..., 0, 0].mean(1)


def test_why_a_module_is_no_layer():
    told = reasons(Odd())
    assert told["twice"] == "it is called 2 times in a forward pass"
    assert told["never"] == "it is never called in a forward pass"
    assert told["both"] == "it returns a tuple, not one tensor"
    assert "[64, 1, 3] does not have one row per image" in told["first"]
    assert "[1, 64, 3, 1, 1] is no vector, no list of tokens and no square map" in told["five"]
    seen = observe(Odd().eval(), torch.zeros(1, 3, 64, 64))
    with pytest.raises(TickleError, match="layers.x: twice cannot be stored: it is called 2 times"):
        require_layers({"x": "twice"}, list(seen.candidates), seen.why_not)


class Placed(Transformer):
    """A module that gives the same places for all images."""

    def __init__(self):
        super().__init__()
        self.places = nn.Embedding(16, 12)

    def forward(self, x):
        tokens = self.embed(nn.functional.unfold(x, 8, stride=8).mT)
        tokens = tokens + self.places(torch.arange(16)[None])
        return self.logits(self.mix(tokens).mean(1))


def test_what_does_not_depend_on_the_image_is_no_layer():
    seen = observe(Placed().eval(), torch.zeros(1, 3, 32, 32))
    assert "[1, 16, 12] does not have one row per image" in seen.why_not["places"]
    assert "mix" in seen.candidates
