"""Models from everywhere: what their sources say of them, and their weights."""

import re
import urllib.error

import numpy as np
import pytest
import torch

from tickle_core.datasets.announced import Announced
from tickle_core.datasets.image_set import Geometry
from tickle_core.errors import TickleError
from tickle_core.models.accuracy import accuracies
from tickle_core.models.architectures import build
from tickle_core.models.assembly import assemble
from tickle_core.models.zoo import registry, weight_files
from tickle_core.params.model import EfficientNetLite0, TimmModel, TorchvisionModel

CPU = torch.device("cpu")
ANNOUNCED = Announced(3, 224, ("cat", "dog"))


def section(**values):
    kinds = {
        "torchvision": TorchvisionModel,
        "timm": TimmModel,
        "efficientnet_lite0": EfficientNetLite0,
    }
    if values["source"] != "efficientnet_lite0":
        values = {"head": "own"} | values
    if values["source"] == "timm":
        values = {"prompts": None} | values
    return kinds[values["source"]](**values)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


def filled(entry):
    network = build(entry.architecture)
    weight_files.fit(network, entry.weights().state, entry.source)
    return network


def test_torchvision_says_what_its_weights_expect():
    entry = registry.describe(
        section(source="torchvision", name="resnet50", weights="IMAGENET1K_V2"), ANNOUNCED
    )
    assert entry.geometry == Geometry(232, 224, "bilinear")
    assert entry.preprocessing["mean"] == [0.485, 0.456, 0.406]
    assert entry.class_names[0] == "tench"
    assert entry.synsets[0] == "n01440764"
    assert len(entry.class_names) == len(entry.synsets) == 1000


def test_timm_says_what_its_weights_expect():
    entry = registry.describe(
        section(source="timm", name="vit_tiny_patch16_224", pretrained=True), ANNOUNCED
    )
    assert entry.architecture["name"] == "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    assert entry.geometry == Geometry(248, 224, "bicubic")
    assert entry.preprocessing == {"mean": [0.5] * 3, "std": [0.5] * 3}
    assert (entry.class_names[0], entry.synsets[0]) == ("tench, Tinca tinca", "n01440764")


@pytest.mark.parametrize(
    "values, expected",
    [
        (("torchvision", "resnet51", None), "no classification model 'resnet51'.*resnet50"),
        (("torchvision", "fcn_resnet50", None), "no classification model"),
        (("torchvision", "resnet50", "V2"), "no weights 'V2'; it has IMAGENET1K_V1, IMAGENET1K_V2"),
        (("torchvision", "vgg16", "IMAGENET1K_FEATURES"), "no classifier in its weights"),
        (("timm", "vit_tiny_patch16_22", True), "no model.*vit_tiny_patch16_224"),
        (("timm", "resnet18.foo", True), "no tag 'foo'.*resnet18.tv_in1k"),
        (("timm", "botnet50ts_256", True), "no pretrained weights for 'botnet50ts_256"),
        (("timm", "vit_small_patch14_dinov2", True), "it gives features.: set model.head to probe"),
        (("timm", "vit_base_patch16_clip_224.openai", True), "no classifier .*gives 512 numbers"),
        (("timm", "fastvit_mci0.apple_mclip", True), "gives 512 numbers that timm names no class"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(values, expected, photographs):
    source, name, weights = values
    last = {"weights": weights} if source == "torchvision" else {"pretrained": weights}
    with pytest.raises(TickleError, match=expected):
        registry.describe(section(source=source, name=name, **last), photographs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [
        {"source": "torchvision", "name": "shufflenet_v2_x0_5", "weights": None},
        {"source": "timm", "name": "test_efficientnet", "pretrained": False},
    ],
)
def test_random_weights_are_seeded_and_have_the_data_sets_classes(values, photographs):
    entry = registry.describe(section(**values), photographs)
    one, two, other = (assemble(entry, photographs, seed, CPU) for seed in (0, 0, 1))
    states = [model.network.state_dict() for model in (one, two, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])
    assert one.card["class_names"] == ["tench", "Crane", "a cat"]
    assert one.card["classes_of_dataset"] == {"tench": 0, "Crane": 1, "a cat": 2}
    assert one.card["preprocessing"]["geometry"] is None
    assert one.card["notes"] == []


@pytest.mark.parametrize(
    "values, name",
    [
        (("torchvision", "resnet18", "DEFAULT"), "resnet18-f37072fd.pth"),
        (("timm", "test_vit", True), "test_vit.r160_in1k.safetensors"),
    ],
)
def test_without_a_connection_one_line_says_what_is_missing(
    values, name, folder, no_network, photographs
):
    source, model, weights = values
    last = {"weights": weights} if source == "torchvision" else {"pretrained": weights}
    entry = registry.describe(section(source=source, name=model, **last), photographs)
    with pytest.raises(TickleError) as refusal:
        assemble(entry, photographs, 0, CPU)
    line = str(refusal.value)
    assert "\n" not in line
    for part in (name, "data/checkpoints", ".cache/downloads/checkpoints", "https://", "Name or"):
        assert part in line
    assert list(folder.iterdir()) == []


def test_downloads_are_checked_kept_and_never_put_into_the_users_folder(folder, tmp_path):
    published = tmp_path / "published.pth"
    published.write_bytes(b"weights")
    url = published.as_uri()
    digest = "9b3d"  # not that of the file
    with pytest.raises(TickleError, match="invalid hash value"):
        weight_files.obtain("w.pth", url, digest)
    path = weight_files.obtain("w.pth", url)
    assert path == weight_files.CACHE / "w.pth"
    published.unlink()
    assert weight_files.obtain("w.pth", url).read_bytes() == b"weights"
    assert list(folder.iterdir()) == []

    (folder / "w.pth").write_bytes(b"mine")
    assert weight_files.obtain("w.pth", url) == folder / "w.pth"
    with pytest.raises(TickleError, match="w.pth is not the published file"):
        weight_files.obtain("w.pth", url, digest)


def test_timm_weights_of_the_users_folder(folder, no_network, photographs):
    import timm
    from safetensors.torch import save_file

    source = timm.create_model("test_efficientnet", num_classes=1000).eval()
    save_file(source.state_dict(), folder / "test_efficientnet.r160_in1k.safetensors")
    entry = registry.describe(
        section(source="timm", name="test_efficientnet", pretrained=True), photographs
    )
    model = assemble(entry, photographs, 0, CPU)
    x = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(model.network(x), source(x))
    # "Crane" is two of ImageNet's classes, "a cat" none.
    assert model.card["classes_of_dataset"] == {"tench": 0, "Crane": None, "a cat": None}
    geometry, classes = model.card["notes"]
    assert "image_size is 32 instead of 160" in geometry
    assert "2 of 3 classes" in classes


def test_googlenet_loads_what_torchvision_publishes(monkeypatch, tmp_path):
    """With auxiliary heads, which its own builder drops; the logits are those of that network."""
    from torchvision.models import googlenet

    published = googlenet(weights=None, init_weights=False, transform_input=True).eval()
    torch.save(published.state_dict(), tmp_path / "w.pth")
    monkeypatch.setattr(weight_files, "obtain", lambda *args: tmp_path / "w.pth")
    entry = registry.describe(
        section(source="torchvision", name="googlenet", weights="DEFAULT"), ANNOUNCED
    )
    network = filled(entry)
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(network(x), published(x))
    assert not any("aux" in name for name in network.state_dict())


def test_densenet_loads_the_names_that_torchvision_publishes(monkeypatch, tmp_path):
    from torchvision.models import densenet121

    published = densenet121(weights=None).eval()
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name): tensor
        for name, tensor in published.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "w.pth")
    monkeypatch.setattr(weight_files, "obtain", lambda *args: tmp_path / "w.pth")
    entry = registry.describe(
        section(source="torchvision", name="densenet121", weights="DEFAULT"), ANNOUNCED
    )
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(filled(entry)(x), published(x))


def published(name, folder, **arguments):
    """A file of random weights as timm publishes them, in the user's folder; the network."""
    import timm
    from safetensors.torch import save_file

    architecture, _, tag = name.partition(".")
    torch.manual_seed(1)
    network = timm.create_model(architecture, **arguments).eval()
    save_file(network.state_dict(), folder / f"{architecture}.{tag}.safetensors")
    return network


def colours(make_set, side):
    """Noise around one colour or another."""
    rng = np.random.default_rng(0)
    labels = (np.arange(40) // 4) % 2
    pixels = rng.integers(0, 80, (40, side, side, 3))
    pixels[labels == 0, ..., 0] += 150
    return make_set(pixels.astype(np.uint8), labels.tolist(), ["red", "dark"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "side"),
    [
        # Without a classifier, at another size than the weights were trained at.
        ("vit_small_patch14_reg4_dinov2.lvd142m", {"num_classes": 0, "img_size": 518}, 28),
        # With CLIP's projection, which is no classifier.
        ("vit_xsmall_patch16_clip_224.tinyclip_yfcc15m", {"num_classes": 512}, 224),
    ],
)
def test_backbones_as_they_are_published_take_a_head(
    name, file, side, folder, no_network, make_set
):
    images = colours(make_set, side)
    backbone = published(name, folder, **file)
    values = {"source": "timm", "name": name, "pretrained": True, "head": "probe"}
    model = assemble(registry.describe(section(**values), images), images, 0, CPU)
    assert model.card["class_names"] == ["red", "dark"]
    assert model.card["head"]["module"] == "head"
    assert accuracies(model, images)["accuracy"]["value"] == 1
    last = model.card["layers"]["blocks.11" if "dinov2" in name else "blocks.9"]
    registers = 4 if "reg4" in name else 0
    assert last["prefix"] == ["class"] + registers * ["register"]
    assert last["grid"] == ([2, 2] if side == 28 else [14, 14])
    x = model.preprocess(images.read([0, 4]))
    if side == 224:  # to another size, position embeddings are interpolated
        with torch.inference_mode():
            ours = model.network.forward_head(model.network.forward_features(x), pre_logits=True)
            theirs = backbone.forward_head(backbone.forward_features(x), pre_logits=True)
        torch.testing.assert_close(ours, theirs)


def test_what_timm_remarks_is_told_with_the_variant_that_it_means():
    values = {"source": "timm", "pretrained": True, "head": "probe"}
    name = "vit_base_patch16_clip_224.openai"
    (note,) = registry.describe(section(**values, name=name), ANNOUNCED).notes
    assert "natively QuickGELU" in note
    assert note.endswith("(vit_base_patch16_clip_quickgelu_224.openai)")
    variant = "vit_base_patch16_clip_quickgelu_224.openai"
    assert registry.describe(section(**values, name=variant), ANNOUNCED).notes == []


@pytest.mark.slow
def test_a_head_in_the_place_of_torchvisions_own(monkeypatch, tmp_path, halves_of_colour):
    from torchvision.models import shufflenet_v2_x0_5

    torch.manual_seed(0)
    torch.save(shufflenet_v2_x0_5().state_dict(), tmp_path / "w.pth")
    monkeypatch.setattr(weight_files, "obtain", lambda *args: tmp_path / "w.pth")
    values = {"source": "torchvision", "name": "shufflenet_v2_x0_5", "weights": "DEFAULT"}
    entry = registry.describe(section(**values, head="probe"), halves_of_colour)
    model = assemble(entry, halves_of_colour, 0, CPU)
    assert model.card["class_names"] == ["left", "top"]
    assert model.card["synsets"] is None
    assert accuracies(model, halves_of_colour)["accuracy"]["value"] > 0.9
