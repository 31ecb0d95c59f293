"""From an entry of the zoo and an image set to a classifier with its card.

The card, `card.json`, is plain data:

architecture         library, name, arguments: enough to build the network without its weights
source               where the weights are from, in one sentence
class_names          of the logits, in their order
synsets              WordNet id of each class, or null
preprocessing        mean and std per channel for pixels scaled to [0, 1]; geometry: resize,
                     image_size and interpolation that the weights expect, or null
classes_of_dataset   index among class_names for each class of the data set, or null
accuracy, top5       on the test split: value, interval, n, null; or null
                     (`tickle_core.models.accuracy`)
notes                sentences on what may make the numbers other than expected
parameters           how many the network has
layers               what is known of each candidate layer (`tickle_core.models.layers`), and,
                     once there are weights, of its tail (`tickle_core.models.linearity`)
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn

from tickle_core import arrays
from tickle_core.datasets.image_set import Geometry, ImageSet
from tickle_core.errors import TickleError
from tickle_core.models import classes
from tickle_core.models.architectures import build
from tickle_core.models.classifier import Classifier
from tickle_core.models.layers import survey
from tickle_core.models.preprocessing import channel_statistics, preprocess
from tickle_core.models.zoo import weight_files
from tickle_core.models.zoo.entry import Entry

COLORS = {1: "grey", 3: "rgb"}
LISTED = 10  # classes in a note


def assemble(entry: Entry, images: ImageSet, seed: int, device: torch.device) -> Classifier:
    """Build the network, load its weights, and write its card, but for what is measured of it.

    Parameters
    ----------
    seed
        Of random weights.

    Raises
    ------
    TickleError
        If weights are missing or do not fit, or if the model cannot run on these images.
    """
    torch.manual_seed(seed)
    network = build(entry.architecture)
    if entry.weights:
        weight_files.fit(network, entry.weights(), entry.source)
    network.to(device).to(memory_format=torch.channels_last)
    train = np.flatnonzero(images.table["split"] == "train")
    preprocessing = entry.preprocessing or channel_statistics(images, train)
    require_channels(len(preprocessing["mean"]), images.channels)
    example = preprocess(arrays.read_rows(images.images, 0, 1), preprocessing, device)
    _require_logits(logits_of(network, example, entry.geometry), len(entry.class_names))
    matches = classes.match(images.class_names, entry.class_names, entry.synsets)
    card = {
        "architecture": entry.architecture,
        "source": entry.source,
        "class_names": list(entry.class_names),
        "synsets": list(entry.synsets) if entry.synsets else None,
        "preprocessing": preprocessing
        | {"geometry": asdict(entry.geometry) if entry.geometry else None},
        "classes_of_dataset": matches,
        "accuracy": None,
        "top5": None,
        "notes": [*_notes_on_geometry(entry, images), *_notes_on_classes(entry, matches)],
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "layers": survey(network, example),
    }
    return Classifier(network, card, device)


def logits_of(network: nn.Module, example: torch.Tensor, geometry: Geometry | None) -> Any:
    """What a network gives for one image (1, C, H, W).

    Parameters
    ----------
    geometry
        What the weights expect.

    Raises
    ------
    TickleError
        If it cannot run, with the network's own complaint.
    """
    height, width = example.shape[2:]
    try:
        with torch.inference_mode():
            return network(example)
    except Exception as error:  # each architecture complains in its own way
        hint = f"; its weights expect {geometry.image_size} pixels" if geometry else ""
        raise TickleError(
            f"the model cannot run on images of {height} x {width} pixels "
            f"({' '.join(str(error).split()) or type(error).__name__}): "
            f"set dataset.image_size to a size that it takes{hint}"
        ) from None


def _require_logits(logits: Any, classes: int) -> None:
    if not isinstance(logits, torch.Tensor) or logits.shape != (1, classes):
        found = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise TickleError(
            f"the model should give [1, {classes}] for one image, a logit per class, but gives "
            f"{found}: check model.class_names and the architecture"
        )


def require_channels(expected: int, found: int) -> None:
    """Refuse images of another number of channels than the model takes.

    Raises
    ------
    TickleError
        With the setting that mends it, if there is one.
    """
    if expected != found:
        color = COLORS.get(expected)
        raise TickleError(
            f"the model takes images of {expected} channels, but the data set has {found}: "
            + (f"set dataset.color: {color}" if color else "choose another model")
        )


def _notes_on_geometry(entry: Entry, images: ImageSet) -> list[str]:
    if entry.geometry is None:
        return []
    found = asdict(images.geometry) if images.geometry else {"image_size": images.images.shape[1]}
    different = {
        key: value
        for key, value in asdict(entry.geometry).items()
        if key in found and found[key] != value
    }
    if not different:
        return []
    return [
        "the images have another geometry than the weights expect, which may cost accuracy: "
        + ", ".join(f"{key} is {found[key]} instead of {value}" for key, value in different.items())
    ]


def _notes_on_classes(entry: Entry, matches: dict[str, Any]) -> list[str]:
    notes = [
        f"{', '.join(names)} of the data set are all the model's class {entry.class_names[index]!r}"
        for index, names in classes.shared(matches).items()
    ]
    unknown = [name for name, index in matches.items() if index is None]
    if len(unknown) == len(matches):
        notes.append("no class of the data set is one of the model's: there is no accuracy")
    elif unknown:
        listed = ", ".join(unknown[:LISTED]) + (", ..." if len(unknown) > LISTED else "")
        notes.append(
            f"{len(unknown)} of {len(matches)} classes of the data set are none of the model's "
            f"and do not count towards its accuracy: {listed}"
        )
    return notes
