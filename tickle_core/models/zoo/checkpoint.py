"""A local file of weights for a known architecture."""

from collections.abc import Sequence
from typing import Any

from tickle_core.models.architectures import import_architecture, torchvision_architecture
from tickle_core.models.zoo import timm, torchvision, weight_files
from tickle_core.models.zoo.entry import Entry
from tickle_core.params.model import Checkpoint


def describe(section: Checkpoint, class_names: Sequence[str]) -> Entry:
    """The entry of a local checkpoint; it has the given classes where params name none.

    Raises
    ------
    TickleError
        If the architecture is unknown.
    """
    names = class_names if section.class_names is None else section.class_names
    return Entry(
        architecture=_architecture(section.architecture, len(names)),
        source=f"{section.architecture} with the weights in data/checkpoints/{section.file}",
        class_names=names,
        preprocessing={"mean": section.mean, "std": section.std},
        weights=lambda: weight_files.read(weight_files.GIVEN / section.file),
    )


def _architecture(text: str, classes: int) -> dict[str, Any]:
    library, _, name = text.partition("/")
    if library == "torchvision":
        torchvision.require_model(name)
        return torchvision_architecture(name, num_classes=classes)
    if library == "timm":
        timm.require_model(name)
        return timm.timm_architecture(name, classes)
    return import_architecture(text, classes)
