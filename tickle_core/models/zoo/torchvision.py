"""Classification models of torchvision, by name and member of their weights enum."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from tickle_core.datasets.image_set import Geometry
from tickle_core.errors import TickleError
from tickle_core.models.architectures import WITH_HEADS_FOR_TRAINING, torchvision_architecture
from tickle_core.models.names import suggest
from tickle_core.models.zoo import weight_files
from tickle_core.models.zoo.entry import Entry, Weights
from tickle_core.models.zoo.imagenet import imagenet_synsets
from tickle_core.params.model import TorchvisionModel


def describe(section: TorchvisionModel, class_names: Sequence[str]) -> Entry:
    """The entry of a torchvision model; with random weights, or a head to be fitted, it has the
    given classes.

    Raises
    ------
    TickleError
        If there is no such model, no such weights, or these weights have no classifier.
    """
    members = _members(section.name)
    fitted = section.head == "probe"
    if section.weights is None:
        # What its published weights expect, so that the two can be compared.
        transforms = members["DEFAULT"].transforms()
        return Entry(
            architecture=torchvision_architecture(section.name, num_classes=len(class_names)),
            source=f"torchvision's {section.name} with random weights",
            class_names=class_names,
            preprocessing={"mean": list(transforms.mean), "std": list(transforms.std)},
            fitted=fitted,
        )
    if section.weights not in members:
        raise TickleError(
            f"torchvision's {section.name} has no weights {section.weights!r}; "
            f"it has {', '.join(members)}, or null for random ones"
        )
    member = members[section.weights]
    categories = member.meta["categories"]
    if categories is None:
        raise TickleError(
            f"torchvision's {section.name} has no classifier in its weights {section.weights}; "
            f"choose others of {', '.join(members)}"
        )
    transforms = member.transforms()
    names = class_names if fitted else categories
    arguments = published_arguments(section.name) | _sizes(section.name, member)
    return Entry(
        architecture=torchvision_architecture(section.name, num_classes=len(names), **arguments),
        source=f"torchvision's {section.name} with its weights {member.name}",
        class_names=names,
        preprocessing={"mean": list(transforms.mean), "std": list(transforms.std)},
        weights=lambda: _weights(member),
        geometry=Geometry(
            transforms.resize_size[0], transforms.crop_size[0], transforms.interpolation.value
        ),
        synsets=None if fitted else imagenet_synsets(len(categories)),
        fitted=fitted,
    )


def require_model(name: str) -> None:
    """Refuse what is no classification model of torchvision, with the nearest names."""
    import torchvision  # takes seconds

    valid = torchvision.models.list_models(module=torchvision.models)
    if name not in valid:
        raise TickleError(
            f"torchvision has no classification model {name!r}; {suggest(name, valid)}"
        )


def _members(name: str) -> dict[str, Any]:
    require_model(name)
    import torchvision

    return dict(torchvision.models.get_model_weights(name).__members__)


def published_arguments(name: str) -> dict[str, Any]:
    """Settings that are no tensors, as torchvision's published weights were trained with them."""
    return {"transform_input": True} if name in WITH_HEADS_FOR_TRAINING else {}


def _sizes(name: str, member: Any) -> dict[str, Any]:
    """Sizes of images that the builders pass on when weights are given."""
    if name.startswith("vit_"):
        return {"image_size": member.meta["min_size"][0]}
    if name == "maxvit_t":
        return {"input_size": list(member.meta["min_size"])}
    return {}


def _weights(member: Any) -> Weights:
    name = PurePosixPath(member.url).name
    # By torch's convention the name ends in the first digits of the file's SHA-256.
    digits = re.search(r"-([0-9a-f]{8,})\.", name)
    file = weight_files.obtain(name, member.url, digits[1] if digits else "")
    state = weight_files.read(file).state
    for key in list(state):
        if "denselayer" in key:  # DenseNet's names of before 2018
            state[re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", key)] = state.pop(key)
    return Weights(state)
