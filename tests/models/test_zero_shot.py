"""Classes from prompts, with a small CLIP of random weights in open_clip's format."""

import json

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from tickle_core.errors import TickleError
from tickle_core.models import classifier
from tickle_core.models.assembly import assemble
from tickle_core.models.zoo import registry, zero_shot
from tickle_core.params.model import TimmModel

CPU = torch.device("cpu")
NAME = "vit_xsmall_patch16_clip_224.tinyclip_yfcc15m"
CONFIG = {
    "model_cfg": {
        "embed_dim": 512,
        "vision_cfg": {
            "layers": 10,
            "width": 256,
            "head_width": 64,
            "patch_size": 16,
            "image_size": 224,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 16,
            "heads": 2,
            "layers": 1,
        },
    },
    "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
}
PROMPTS = """
cat: [a photo of a cat, a drawing of a cat]
dog: a photo of a dog
piano: [a piano]
"""


@pytest.fixture
def files(folder):
    """The model's files in the user's folder; open_clip's model."""
    (folder / "prompts.yaml").write_text(PROMPTS)
    place = folder / NAME
    place.mkdir()
    (place / "open_clip_config.json").write_text(json.dumps(CONFIG))
    torch.manual_seed(0)
    model = open_clip.CLIP(**CONFIG["model_cfg"]).eval()
    save_file(model.state_dict(), place / "open_clip_model.safetensors")
    save_file(model.state_dict(), folder / f"{NAME}.safetensors")  # timm knows these names
    return model


@pytest.fixture
def images(make_set):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    return make_set(pixels, [i // 4 for i in range(8)], ["dog", "a cat"])


def opened(images):
    section = TimmModel(
        source="timm", name=NAME, pretrained=True, head="zero_shot", prompts="prompts.yaml"
    )
    return assemble(registry.describe(section, images), images, 0, CPU)


@pytest.mark.slow
def test_logits_are_those_of_open_clip(files, images, folder):
    model = opened(images)
    assert model.card["class_names"] == ["cat", "dog", "piano"]
    assert model.card["classes_of_dataset"] == {"dog": 1, "a cat": None}
    x = model.preprocess(images.read(np.arange(8)))
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder / NAME}")
    with torch.inference_mode():
        prompts = [["a photo of a cat", "a drawing of a cat"], ["a photo of a dog"], ["a piano"]]
        vectors = torch.stack(
            [files.encode_text(tokenize(each), normalize=True).mean(0) for each in prompts]
        )
        vectors = vectors / vectors.norm(dim=1, keepdim=True)
        expected = files.logit_scale.exp() * files.encode_image(x, normalize=True) @ vectors.T
        logits = model.network(x)
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-4)
    assert model.card["layers"]["blocks.9"]["clean_cut"]
    classifier.save(model, folder)
    with torch.inference_mode():
        torch.testing.assert_close(classifier.load(folder, CPU).network(x), logits)


@pytest.mark.slow
def test_a_text_tower_of_another_image_tower_is_refused(files, images, folder):
    state = {name: tensor.clone() for name, tensor in files.state_dict().items()}
    state["visual.transformer.resblocks.9.mlp.c_proj.weight"] *= 30
    save_file(state, folder / f"{NAME}.safetensors")
    with pytest.raises(TickleError, match="is not of the model's image tower: .*cosine"):
        opened(images)


def test_files_that_open_clip_cannot_use_are_named(files, images, folder):
    (folder / NAME / "open_clip_config.json").write_text("{}")
    with pytest.raises(TickleError, match=f"data/checkpoints/{NAME} cannot be used by open_clip"):
        opened(images)


@pytest.mark.parametrize(
    "text", ["", "- cat", "cat: a cat", "cat: 3\ndog: 4", "cat: []\ndog: a dog", "cat: [\n"]
)
def test_what_are_no_prompts_is_refused(text, folder):
    (folder / "prompts.yaml").write_text(text)
    with pytest.raises(TickleError, match="data/checkpoints/prompts.yaml"):
        zero_shot.read_prompts("prompts.yaml")
    with pytest.raises(TickleError, match=r"data/checkpoints/none.yaml cannot be read"):
        zero_shot.read_prompts("none.yaml")


def test_without_open_clip_it_says_how_to_install_it(folder, monkeypatch):
    monkeypatch.setattr(zero_shot, "find_spec", lambda name: None)
    with pytest.raises(TickleError, match=r"pip install .*\[clip\]"):
        zero_shot.read_prompts("prompts.yaml")
