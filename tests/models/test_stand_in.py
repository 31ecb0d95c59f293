"""What params.yaml says of model and images is held against each other before either is there."""

from pathlib import Path

import pytest
import torch

from tickle_core.datasets.announced import announced
from tickle_core.errors import TickleError
from tickle_core.models.layers import observe, survey
from tickle_core.models.stand_in import require_classes, require_weights, stand_in
from tickle_core.params import reading

ROOT = Path(__file__).parents[2]
FOLDER = {
    "source": "folder",
    "folder": "photographs",
    "resize": 64,
    "image_size": 64,
    "interpolation": "bilinear",
    "color": "rgb",
    "test_share": 0.2,
    "damaged": "skip",
    "split": "content",
    "near_copies": "note",
    "range_16bit": [0, 65535],
}


def checked(**sections):
    values = reading.read(ROOT / "params.yaml") | sections
    return reading.parse(values)


def test_images_are_announced():
    default = announced(checked().dataset)
    assert (default.channels, default.side, len(default.class_names)) == (1, 28, 10)
    folder = announced(checked(dataset=FOLDER).dataset)
    assert (folder.channels, folder.side) == (3, 64)


@pytest.mark.parametrize("dataset", [None, FOLDER])
def test_candidates_are_what_a_survey_describes(dataset):
    network, example, prefix = stand_in(checked(**({"dataset": dataset} if dataset else {})))
    assert example.shape[1:] == ((3, 64, 64) if dataset else (1, 28, 28))
    assert set(observe(network, example, prefix).candidates) == set(
        survey(network, example, prefix)
    )


def test_grey_images_do_not_fit_a_model_of_colours():
    model = {"source": "torchvision", "name": "resnet18", "weights": "DEFAULT", "head": "own"}
    with pytest.raises(TickleError, match="takes images of 3 channels.*has 1: set dataset.color"):
        stand_in(checked(dataset=FOLDER | {"color": "grey"}, model=model))


def test_images_that_a_model_cannot_take_are_refused():
    model = {
        "source": "timm",
        "name": "vit_tiny_patch16_224",
        "pretrained": True,
        "head": "own",
        "prompts": None,
    }
    with pytest.raises(TickleError, match="cannot run on images of 64 x 64.*expect 224"):
        stand_in(checked(dataset=FOLDER, model=model))


def test_a_checkpoint_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section = {
        "source": "checkpoint",
        "file": "mine.pt",
        "architecture": "torchvision/resnet18",
        "arguments": {},
        "state": None,
        "head": "own",
        "class_names": None,
        "threshold": None,
        "prefix": None,
        "mean": [0.5],
        "std": [0.5],
    }
    with pytest.raises(TickleError, match="data/checkpoints/mine.pt is missing"):
        require_weights(checked(model=section).model)
    require_weights(checked().model)
    (tmp_path / "data/checkpoints").mkdir(parents=True)
    torch.save({"ema": {"w": torch.tensor([0.0, torch.nan])}}, "data/checkpoints/mine.pt")
    with pytest.raises(TickleError, match="1 of 1 tensors hold NaN"):
        require_weights(checked(model=section).model)
    with pytest.raises(TickleError, match="model.state is 'net'"):
        require_weights(checked(model=section | {"state": "net"}).model)


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    from tickle_core import devices

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TickleError, match="device is cuda.*auto"):
        devices.prepare("cuda")


@pytest.mark.parametrize(
    ("block", "changes", "told"),
    [
        ("attack", {"target": "Skirt"}, "attack.target: the model has no class 'Skirt'; .*Shirt"),
        ("path", {"classes": [["Shirt", "Cot"]]}, "path.classes: .* no class 'Cot'; .*Coat"),
    ],
)
def test_classes_that_the_model_will_not_have_are_refused(block, changes, told):
    values = reading.read(ROOT / "params.yaml")
    with pytest.raises(TickleError, match=told):
        require_classes(checked(**{block: values[block] | changes}))


def test_classes_that_are_seen_with_the_images_are_not_judged_before():
    attack = reading.read(ROOT / "params.yaml")["attack"] | {"target": "anything"}
    require_classes(checked(dataset=FOLDER, attack=attack))
