"""Models of timm, by name and tag."""

import textwrap
from pathlib import PurePosixPath
from typing import Any

from tickle_core.datasets.announced import Announced
from tickle_core.datasets.image_set import Geometry, ImageSet
from tickle_core.errors import TickleError
from tickle_core.models.names import suggest
from tickle_core.models.zoo import weight_files, zero_shot
from tickle_core.models.zoo.entry import Entry, Weights
from tickle_core.params.model import TimmModel


def describe(section: TimmModel, images: ImageSet | Announced) -> Entry:
    """The entry of a timm model; with random weights, or a head to be fitted, its classes are those
    of the images, with prompts, theirs.

    Raises
    ------
    TickleError
        If there is no such model, no pretrained weights, none with a classifier where it is to be
        the model's own, or no prompts where classes come from them.
    """
    config = require_model(section.name)
    name = f"{config.architecture}.{config.tag}" if config.tag else config.architecture
    preprocessing = {"mean": list(config.mean), "std": list(config.std)}
    fitted = section.head == "probe"
    if not section.pretrained:
        return Entry(
            architecture=timm_architecture(name, len(images.class_names)),
            source=f"timm's {name} with random weights",
            class_names=images.class_names,
            preprocessing=preprocessing,
            fitted=fitted,
        )
    if not config.has_weights:
        import timm

        tags = timm.list_pretrained(f"{config.architecture}.*")
        raise TickleError(
            f"timm has no pretrained weights for {name!r}; it has "
            f"{', '.join(tags) or 'none for this architecture'}"
        )
    notes, vectors = _notes(name, config), None
    if section.prompts is not None:
        if not config.hf_hub_id:
            raise TickleError(f"timm's {name} has no text tower in open_clip's format")
        prompts = zero_shot.read_prompts(section.prompts)
        names, synsets = list(prompts), None
        architecture = timm_architecture(name, config.num_classes)
        vectors = zero_shot.class_vectors(config.hf_hub_id, prompts)
        notes.append(
            f"classes are those of the prompts in {section.prompts}: logits are cosines with what "
            "the model's text tower makes of them"
        )
    elif fitted:
        names, synsets = list(images.class_names), None
        architecture = timm_architecture(name, len(names))
        if config.fixed_input_size and images.side != config.input_size[-1]:
            # Position embeddings are brought to the size of the images.
            architecture["arguments"]["img_size"] = images.side
    else:
        names, synsets = _classes(name, config)
        architecture = timm_architecture(name, config.num_classes)
    size = config.input_size[-1]
    return Entry(
        architecture=architecture,
        source=f"timm's {name} with its pretrained weights",
        class_names=names,
        preprocessing=preprocessing,
        weights=lambda: _weights(name, config, architecture["arguments"]),
        # A few models ask for a crop larger than the image, that is for a frame: not here.
        geometry=Geometry(max(size, int(size / config.crop_pct)), size, config.interpolation),
        synsets=synsets,
        fitted=fitted,
        class_vectors=vectors,
        notes=notes,
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


def _classes(name: str, config: Any) -> tuple[list[str], list[str] | None]:
    """Names of the classes and, for the variants of ImageNet, their synset ids.

    Outputs without names are no classes, as far as one can know: of nearly all such weights they
    are an embedding (CLIP's).
    """
    from timm.data import ImageNetInfo, infer_imagenet_subset

    if config.num_classes and (subset := infer_imagenet_subset(config.to_dict())):
        info = ImageNetInfo(subset)
        return list(info.label_descriptions()), info.label_names()
    if config.num_classes and config.label_names:
        return list(config.label_names), None
    gives = f"{config.num_classes} numbers that timm names no classes of, such as an embedding"
    raise TickleError(
        f"timm's {name} has no classifier of its own (it gives "
        f"{gives if config.num_classes else 'features'}): set model.head to probe, which fits one "
        "to the data set's classes"
    )


def _notes(name: str, config: Any) -> list[str]:
    """What timm remarks on the weights, with the variant that it asks for."""
    import timm

    notes = []
    for note in config.notes or ():
        if "QuickGELU" in note:
            if "quickgelu" in config.architecture:
                continue  # this is the variant
            variant = config.architecture.replace("_clip_", "_clip_quickgelu_")
            if variant in timm.list_models():
                note += f" ({variant}.{config.tag})"
        notes.append(f"timm on {name}: {note}")
    return notes


def _weights(name: str, config: Any, arguments: dict[str, Any]) -> Weights:
    import timm
    from huggingface_hub import hf_hub_url

    if config.hf_hub_id:
        # The hub's own client waits and retries for half a minute where there is no connection.
        published = config.hf_hub_filename or "model.safetensors"
        url, file = hf_hub_url(config.hf_hub_id, published), name + PurePosixPath(published).suffix
    else:
        url, file = config.url, PurePosixPath(config.url).name
    state = weight_files.read(weight_files.obtain(file, url)).state
    try:
        # timm knows which published names and shapes have changed since.
        overlay = {"state_dict": state, "custom_load": False}
        filled = timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay=overlay, **arguments
        )
    except (RuntimeError, KeyError, ValueError) as error:
        reason = textwrap.shorten(str(error), 300)  # timm lists every tensor
        raise TickleError(f"{file} is not what timm's {name} expects: {reason}") from None
    return Weights(filled.state_dict())
