from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import VisionTransformer

from tests.maximization.ascending import (
    CPU,
    ROUNDING,
    STILL,
    apart,
    classifier_of,
    made_for,
    random_sae,
    readout_of,
    recipe,
    starts,
    tokens_and_logits,
)
from tickle_core.errors import TickleError
from tickle_core.maximization import penalties
from tickle_core.maximization.ascent import batches, maximize
from tickle_core.maximization.objectives import Objective, Readout, Sources
from tickle_core.maximization.parametrization import Canvas
from tickle_core.models.small_resnet import SmallResNet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def grey():
    torch.manual_seed(0)
    return classifier_of(SmallResNet(channels=1, classes=5), 1, 28)


@pytest.fixture(scope="module")
def rgb():
    torch.manual_seed(0)
    return classifier_of(SmallResNet(channels=3, classes=5), 3, 192)


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(0)
    network = VisionTransformer(
        image_size=32,
        patch_size=8,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=5,
    )
    nn.init.normal_(network.heads.head.weight)  # which torchvision leaves at zero
    return classifier_of(network, 3, 32)


GREY28, RGB192, RGB32 = (
    Canvas("fourier", (28, 28), 1),
    Canvas("fourier", (192, 192), 3),
    Canvas("fourier", (32, 32), 3),
)


@pytest.mark.parametrize("layout", ["whole", "pointwise"])
@pytest.mark.parametrize("kind", ["pixel", "fourier"])
def test_on_a_linear_layer_the_optimum_is_the_weight_direction(kind, layout):
    torch.manual_seed(0)
    if layout == "whole":
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Linear(3, 2))
        classifier = classifier_of(network, 1, 8)
        weight = network[1].weight[2].detach().view(8, 8, 1)
        module = "1"
    else:  # at the optimum all patches are alike, and weigh alike in the softened maximum
        network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(256, 2))
        classifier = classifier_of(network, 3, 8)
        weight = network[0].weight[2].detach().view(1, 1, 3).expand(8, 8, 3)
        module = "0"
    canvas = Canvas(kind, (8, 8), weight.shape[2])
    # The optimum is grey plus weight / (2 l2 std) * pixels / positions; this puts it within 0.3.
    size = weight.numel() / (1 if layout == "whole" else 64) * weight.abs().max().item()
    section = recipe(parametrization=kind, steps=400, l2=size / (2 * 0.3 * 0.3), **STILL)
    (pictures,) = made_for(classifier, module, [Objective("channel", 2)], [1.0], canvas, section)
    found = torch.from_numpy(pictures[0] / 255 - 0.5)
    cosine = F.cosine_similarity(found.flatten(), weight.double().flatten(), dim=0)
    assert cosine > 0.999
    assert found.abs().max().item() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    ("which", "module", "canvas"),
    [
        ("grey", "layer2", GREY28),
        ("grey", "pool", GREY28),
        ("rgb", "layer3", RGB192),
        ("vit", "encoder.layers.encoder_layer_0", RGB32),
        ("vit", "encoder.layers.encoder_layer_1.mlp.0", RGB32),
    ],
)
def test_every_family_rises(which, module, canvas, request):
    classifier = request.getfixturevalue(which)
    layer = classifier.card["layers"][module]
    d = layer["shape"][0 if layer["layout"] == "NCHW" else -1]
    height, width = layer["grid"]
    centre = height // 2 * width + width // 2  # a corner is turned out of the picture
    generator = torch.Generator().manual_seed(0)
    sources = {
        "sae": random_sae(d),
        "directions": torch.randn(2, d, generator=generator),
        "mixtures": torch.randn(2, 5, generator=generator),
    }
    objectives = [
        *(Objective("channel", unit) for unit in (1, 3)),
        Objective("neuron", 0, centre),
        Objective("layer", 0),
        *(Objective("latent", unit) for unit in (5, 30)),
        Objective("direction", 1),
        Objective("point", 0, centre),
        Objective("logit", 2),
        Objective("mixture", 0),
    ]
    section = recipe(steps=16)
    for batch in batches(objectives, section):
        chosen = [objectives[i] for i in batch]
        made = made_for(classifier, module, chosen, [1.0] * len(batch), canvas, section, **sources)
        assert made.shape == (len(batch), 1, *canvas.size, canvas.channels)
        readout = readout_of(classifier, module, chosen, **sources)
        before, after = (
            readout.score(*tokens_and_logits(classifier, module, images))
            for images in (starts(canvas, chosen), made[:, 0])
        )
        assert (after > before + 0.01 * before.abs()).all()


def test_colors_are_mixed_in():
    torch.manual_seed(0)
    classifier = classifier_of(SmallResNet(channels=3, classes=5), 3, 64)
    colors = torch.tensor([[1.0, 0, 0], [0.5, 0, 0], [-0.5, 0, 0]])
    canvas = Canvas("fourier", (64, 64), 3, colors)
    made = made_for(classifier, "layer2", [Objective("layer", 0)], [1.0], canvas, recipe(), 0)
    red, green, blue = torch.from_numpy(made[0, 0]).double().div(255).unbind(2)
    np.testing.assert_allclose(green, (red.logit(1e-3) / 2).sigmoid(), atol=2 / 255)
    np.testing.assert_allclose(blue, 1 - green, atol=2 / 255)
    assert red.std() > 0.1


def test_a_batch_gives_what_each_alone_gives(grey):
    objectives = [Objective("channel", unit) for unit in range(4)] + [Objective("layer", 0)]
    scales = [1.0, 5.0, 0.1, 1000.0, 1.0]
    section = recipe(steps=6, l2=0.5, total_variation=0.5, diversity=0.5, pictures=2)
    together = made_for(grey, "layer2", objectives, scales, GREY28, section, 0)
    for made, objective, scale in zip(together, objectives, scales, strict=True):
        (alone,) = made_for(grey, "layer2", [objective], [scale], GREY28, section, 0)
        assert apart(made, alone) < ROUNDING


def test_logits_do_not_disturb_others(grey):
    both = [Objective("channel", 1), Objective("logit", 1)]
    section = recipe(steps=6)
    together = made_for(grey, "layer2", both, [1.0, 1.0], GREY28, section, 0)
    for made, objective in zip(together, both, strict=True):
        (alone,) = made_for(grey, "layer2", [objective], [1.0], GREY28, section, 0)
        assert apart(made, alone) < ROUNDING


def test_runs_repeat_to_the_byte_and_follow_their_seed(grey):
    objectives = [Objective("channel", 1), Objective("layer", 0)]
    section = recipe(steps=6, pictures=2, diversity=0.1)
    first, again, other = (
        made_for(grey, "layer2", objectives, [1.0, 1.0], GREY28, section, seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    for one, another in zip(first, other, strict=True):
        assert apart(one, another) > 4 * ROUNDING  # what rounding does is far below
    assert (first[:, 0] != first[:, 1]).any()


def test_weights_stay_as_they_are(grey):
    network = grey.network
    network.fc.bias.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    made_for(grey, "layer2", [Objective("logit", 1)], [1.0], GREY28, recipe(), 0)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    frozen = [name for name, each in network.named_parameters() if not each.requires_grad]
    network.fc.bias.requires_grad_(True)
    assert frozen == ["fc.bias"]
    assert not any(module._forward_hooks for module in network.modules())


def test_weights_are_free_again_after_an_error(grey):
    with pytest.raises(RuntimeError):
        wrong = Canvas("fourier", (28, 28), 2)
        made_for(grey, "layer2", [Objective("layer", 0)], [1.0], wrong, recipe(), 0)
    assert all(parameter.requires_grad for parameter in grey.network.parameters())


class Untraceable(nn.Module):
    """Looks at its values, so that torch.fx cannot follow it."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        if x.isnan().any():
            raise ValueError
        return self.network(x)


@pytest.mark.parametrize("traceable", [True, False])
def test_only_what_comes_before_the_layer_runs(grey, traceable):
    classifier, prefix = grey, ""
    if not traceable:
        classifier, prefix = classifier_of(Untraceable(grey.network), 1, 28), "network."
        assert "cannot trace" in classifier.card["layers"]["network.layer2"]["obstacle"]
    calls = Counter()
    handles = [
        module.register_forward_hook(lambda *_, name=name: calls.update([name]))
        for name, module in grey.network.named_children()
    ]
    try:
        made = made_for(
            classifier, prefix + "layer2", [Objective("layer", 0)], [1.0], GREY28, recipe(), 0
        )
    finally:
        for handle in handles:
            handle.remove()
    assert set(calls) == {"stem", "layer1", "layer2"}
    assert made.std() > 5
    np.testing.assert_array_equal(
        made, made_for(grey, "layer2", [Objective("layer", 0)], [1.0], GREY28, recipe(), 0)
    )


@pytest.mark.parametrize("family", ["channel", "logit"])
def test_a_network_that_overwrites_the_layer_makes_no_difference(family):
    def make(inplace):
        torch.manual_seed(0)
        relu = nn.ReLU(inplace=inplace)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), relu, nn.Flatten(), nn.Linear(600, 3)
        )

    section = recipe(pictures=2, diversity=1.0)
    apart, overwritten = (
        made_for(
            classifier_of(make(inplace), 1, 12),
            "1",
            [Objective(family, 1)],
            [1.0],
            Canvas("fourier", (12, 12), 1),
            section,
            0,
        )
        for inplace in (False, True)
    )
    np.testing.assert_array_equal(apart, overwritten)


def test_a_unit_that_is_silent_on_grey_is_awakened():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.Flatten(), nn.Linear(1152, 2))
    with torch.no_grad():
        network[0].weight -= network[0].weight.mean((1, 2, 3), keepdim=True)
        network[0].bias[:] = torch.tensor([-0.4, -100.0])
    classifier = classifier_of(network, 1, 28)
    objectives = [Objective("channel", 0), Objective("channel", 1)]
    begun = starts(GREY28, objectives)
    assert tokens_and_logits(classifier, "1", begun)[0].max() == 0
    (made, dead) = made_for(
        classifier, "1", objectives, [1.0, 0.0], GREY28, recipe(steps=40, **STILL), 0
    )
    assert tokens_and_logits(classifier, "1", made)[0][..., 0].mean() > 0.1
    np.testing.assert_array_equal(dead, begun[1:])  # nothing can awaken it


def test_the_length_of_a_direction_does_not_matter(grey):
    patches = tokens_and_logits(grey, "layer2", starts(GREY28, [Objective("layer", 0)]))[0][0]
    direction = torch.randn(1, patches.shape[1], generator=torch.Generator().manual_seed(0))

    def made(length):
        sources = Sources(patches, directions=length * direction)
        objectives, layer = [Objective("direction", 0)], grey.card["layers"]["layer2"]
        readout = Readout(objectives, layer, sources, CPU)
        section = recipe(total_variation=1.0)
        return maximize(grey, "layer2", readout, [length], GREY28, section, 0)

    assert apart(made(1.0), made(1024.0)) < ROUNDING


@pytest.mark.parametrize("term", ["l2", "total_variation"])
def test_a_penalty_lowers_its_term(grey, term):
    free, held = (
        made_for(grey, "layer2", [Objective("channel", 1)], [1.0], GREY28, section, 0)[0, 0]
        for section in (recipe(steps=30), recipe(steps=30, **{term: 5.0}))
    )
    free, held = (torch.from_numpy(x / 255)[None].permute(0, 3, 1, 2) for x in (free, held))
    measure = getattr(penalties, term)
    assert measure(held) < 0.7 * measure(free)


def test_a_penalty_means_the_same_for_units_of_any_scale(grey):
    def made(scale):
        section = recipe(steps=30, total_variation=5.0)
        network = SmallResNet(channels=1, classes=5)
        network.load_state_dict(grey.network.state_dict())
        with torch.no_grad():
            for parameter in network.layer1[0].bn1.parameters():
                parameter *= scale
        classifier = classifier_of(network, 1, 28)
        return made_for(
            classifier,
            "layer1.0.bn1",
            [Objective("channel", 1)],
            [scale],
            GREY28,
            section,
            spread=scale,
        )

    assert apart(made(1.0), made(1024.0)) < ROUNDING


def test_diversity_makes_pictures_of_a_unit_differ(grey):
    def alike(diversity):
        section = recipe(steps=40, pictures=3, diversity=diversity)
        (made,) = made_for(grey, "layer2", [Objective("channel", 1)], [1.0], GREY28, section, 0)
        return penalties.similarity(tokens_and_logits(grey, "layer2", made)[0], 3).mean()

    assert alike(10.0) < alike(0.0) - 0.05


def test_batches_keep_pictures_of_a_unit_together_and_logits_apart():
    objectives = [Objective("logit", 0), *(Objective("channel", i) for i in range(5))]
    objectives.append(Objective("mixture", 1))
    found = batches(objectives, recipe(pictures=3, batch_size=8))
    assert found == [[1, 2], [3, 4], [5], [0, 6]]
    assert batches([], recipe()) == []


def test_a_network_in_training_mode_is_refused(grey):
    grey.network.train()
    try:
        with pytest.raises(TickleError, match="training mode"):
            made_for(grey, "layer2", [Objective("layer", 0)], [1.0], GREY28, recipe(), 0)
    finally:
        grey.network.eval()
