"""A local file of weights for a known architecture."""

from collections.abc import Sequence
from typing import Any

from tickle_core.models.architectures import (
    WITH_HEADS_FOR_TRAINING,
    import_architecture,
    torchvision_architecture,
)
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
        architecture=_architecture(section, len(names) if section.threshold is None else 1),
        source=f"{section.architecture} with the weights in data/checkpoints/{section.file}",
        class_names=names,
        preprocessing={"mean": section.mean, "std": section.std},
        weights=lambda: weight_files.read(weight_files.GIVEN / section.file, section.state),
        fitted=section.head == "probe",
        threshold=section.threshold,
        prefix=section.prefix,
        notes=_notes(section),
    )


def _architecture(section: Checkpoint, outputs: int) -> dict[str, Any]:
    library, _, name = section.architecture.partition("/")
    if library == "torchvision":
        torchvision.require_model(name)
        arguments = torchvision.published_arguments(name) | section.arguments
        return torchvision_architecture(name, **{"num_classes": outputs} | arguments)
    if library == "timm":
        timm.require_model(name)
        architecture = timm.timm_architecture(name, outputs)
        architecture["arguments"] |= section.arguments
        return architecture
    return import_architecture(section.architecture, outputs, section.arguments)


def _notes(section: Checkpoint) -> list[str]:
    name = section.architecture.removeprefix("torchvision/")
    if name not in WITH_HEADS_FOR_TRAINING or "transform_input" in section.arguments:
        return []
    return [
        f"{name} takes its images as torchvision's published weights do (transform_input is true): "
        "weights that were trained from scratch want model.arguments {transform_input: false}"
    ]
