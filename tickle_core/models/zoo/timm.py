"""Models of timm, by name and tag."""

import textwrap
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import torch

from tickle_core.datasets.image_set import Geometry
from tickle_core.errors import TickleError
from tickle_core.models.names import suggest
from tickle_core.models.zoo import weight_files
from tickle_core.models.zoo.entry import Entry
from tickle_core.params.model import TimmModel


def describe(section: TimmModel, class_names: Sequence[str]) -> Entry:
    """The entry of a timm model; with random weights it has the given classes.

    Raises
    ------
    TickleError
        If there is no such model, or no pretrained weights with a classifier.
    """
    config = require_model(section.name)
    name = f"{config.architecture}.{config.tag}" if config.tag else config.architecture
    preprocessing = {"mean": list(config.mean), "std": list(config.std)}
    if not section.pretrained:
        return Entry(
            architecture=timm_architecture(name, len(class_names)),
            source=f"timm's {name} with random weights",
            class_names=class_names,
            preprocessing=preprocessing,
        )
    if not (config.has_weights and config.num_classes):
        import timm

        tags = [tag for tag in timm.list_pretrained(f"{config.architecture}.*") if tag != name]
        raise TickleError(
            f"timm has no pretrained weights with a classifier for {name!r}; it has "
            f"{', '.join(tags) or 'none for this architecture'}"
        )
    names, synsets = _classes(config)
    size = config.input_size[-1]
    return Entry(
        architecture=timm_architecture(name, config.num_classes),
        source=f"timm's {name} with its pretrained weights",
        class_names=names,
        preprocessing=preprocessing,
        weights=lambda: _weights(name, config),
        # A few models ask for a crop larger than the image, that is for a frame: not here.
        geometry=Geometry(max(size, int(size / config.crop_pct)), size, config.interpolation),
        synsets=synsets,
    )


def timm_architecture(name: str, classes: int) -> dict[str, Any]:
    """The `architecture` of a timm model."""
    return {"library": "timm", "name": name, "arguments": {"num_classes": classes}}


def require_model(name: str) -> Any:
    """The pretrained config of a model (`timm.models.PretrainedCfg`).

    Raises
    ------
    TickleError
        If timm has no such model or tag; with the nearest names.
    """
    import timm  # takes seconds

    architecture, _, tag = name.partition(".")
    valid = timm.list_models()
    if architecture not in valid:
        raise TickleError(f"timm has no model {name!r}; {suggest(architecture, valid)}")
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError:
        tags = timm.list_pretrained(f"{architecture}.*")
        raise TickleError(
            f"timm's {architecture} has no tag {tag!r}; {suggest(name, tags)}"
        ) from None


def _classes(config: Any) -> tuple[list[str], list[str] | None]:
    """Names of the classes and, for the variants of ImageNet, their synset ids."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    if subset := infer_imagenet_subset(config.to_dict()):
        info = ImageNetInfo(subset)
        return list(info.label_descriptions()), info.label_names()
    names = config.label_names or [f"class {index}" for index in range(config.num_classes)]
    return list(names), None


def _weights(name: str, config: Any) -> dict[str, torch.Tensor]:
    import timm
    from huggingface_hub import hf_hub_url

    if config.hf_hub_id:
        # The hub's own client waits and retries for half a minute where there is no connection.
        published = config.hf_hub_filename or "model.safetensors"
        url, file = hf_hub_url(config.hf_hub_id, published), name + PurePosixPath(published).suffix
    else:
        url, file = config.url, PurePosixPath(config.url).name
    state = weight_files.read(weight_files.obtain(file, url))
    try:
        # timm knows which published names and shapes have changed since.
        overlay = {"state_dict": state, "custom_load": False}
        filled = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError, ValueError) as error:
        reason = textwrap.shorten(str(error), 300)  # timm lists every tensor
        raise TickleError(f"{file} is not what timm's {name} expects: {reason}") from None
    return filled.state_dict()
