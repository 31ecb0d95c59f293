"""From an entry of the zoo and an image set to a classifier with its card.

The card, `card.json`, is plain data:

architecture         library, name, arguments, ...: enough to build the network without its weights
                     (`tickle_core.models.architectures`)
source               where the weights are from, in one sentence
class_names          of the logits, in their order
synsets              WordNet id of each class, or null
preprocessing        mean and std per channel for pixels scaled to [0, 1]; geometry: resize,
                     image_size and interpolation that the weights expect, or null
head                 of a last layer that was fitted here: `tickle_core.models.heads`; or null
classes_of_dataset   index among class_names for each class of the data set, or null
accuracy, top5       on the test split: value, interval, n, null; or null
                     (`tickle_core.models.accuracy`)
notes                sentences on what may make the numbers other than expected
parameters           how many the network has
layers               what is known of each candidate layer (`tickle_core.models.layers`), and,
                     once there are weights, of its tail (`tickle_core.models.linearity`)
"""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn

from tickle_core import arrays
from tickle_core.datasets.image_set import Geometry, ImageSet
from tickle_core.errors import TickleError
from tickle_core.models import classes, consistency, heads
from tickle_core.models.adapters import HEAD, adapt
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

    Where the entry's last layer is to be fitted, it is fitted here; a network that is to be trained
    is as it begins.

    Parameters
    ----------
    seed
        Of random weights, and of the draw of images that a last layer is fitted to.

    Raises
    ------
    TickleError
        If weights are missing or do not fit, if the model cannot run on these images, or if it does
        not give an image the same activations each time (`tickle_core.models.consistency`).
    """
    torch.manual_seed(seed)
    size = (1, images.channels, images.side, images.side)
    network, architecture = complete(entry, torch.zeros(size))
    weights = entry.weights() if entry.weights else None
    head = heads.find(network, torch.zeros(size)) if entry.fitted else None
    if weights:
        later = HEAD if entry.class_vectors else head
        weight_files.fit(network, weights.state, entry.source, later)
    network.to(device).to(memory_format=torch.channels_last)
    train = np.flatnonzero(images.table["split"] == "train")
    preprocessing = entry.preprocessing or channel_statistics(images, train)
    examples = arrays.read_rows(images.images, 0, min(consistency.IMAGES, len(images.table)))
    inputs = preprocess(examples, preprocessing, device)
    if entry.class_vectors:
        vectors = entry.class_vectors(inputs.cpu(), heads.inputs(network, inputs, HEAD).cpu())
        heads.set_weights(network.get_submodule(HEAD), vectors)
    _require_scores(logits_of(network, inputs, entry.geometry))
    layers = survey(network, inputs[:1], entry.prefix)
    consistency.require(network, inputs, list(layers))
    matches = classes.match(images.class_names, entry.class_names, entry.synsets)
    card = {
        "architecture": architecture,
        "source": entry.source,
        "class_names": list(entry.class_names),
        "synsets": list(entry.synsets) if entry.synsets else None,
        "preprocessing": preprocessing
        | {"geometry": asdict(entry.geometry) if entry.geometry else None},
        "head": None,
        "classes_of_dataset": matches,
        "accuracy": None,
        "top5": None,
        "notes": [
            *entry.notes,
            *([weights.note] if weights and weights.note else []),
            *_notes_on_tokens(entry, layers),
            *_notes_on_geometry(entry, images),
            *_notes_on_classes(entry, matches),
        ],
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "layers": layers,
    }
    model = Classifier(network, card, device)
    if head is not None:
        card["head"] = heads.fit(model, images, head, seed)
    return model


def complete(entry: Entry, example: torch.Tensor) -> tuple[nn.Module, dict[str, Any]]:
    """The network with random weights, and its architecture with what it takes to give logits.

    Parameters
    ----------
    example
        One image (1, C, H, W); its pixels are of no concern.

    Raises
    ------
    TickleError
        If the images have another number of channels than it takes, if it cannot run on them, or
        gives no logit per class and cannot be made to.
    """
    if entry.preprocessing:
        _require_channels(len(entry.preprocessing["mean"]), example.shape[1])
    network = build(entry.architecture)
    adapters: list[dict[str, Any]] = []

    def add(**adapter: Any) -> None:
        adapters.append(adapter)
        adapt(network, adapter)

    output = logits_of(network, example, entry.geometry)
    if not isinstance(output, torch.Tensor) and isinstance(
        getattr(output, "logits", None), torch.Tensor
    ):
        add(kind="output")
        output = output.logits
    count = len(entry.class_names)
    if entry.fitted and not (heads.find(network, example) and output.shape == (1, count)):
        if "num_classes" in entry.architecture["arguments"] or not _is_vector(output):
            raise TickleError(
                "model.head is probe, but the model does not end in a linear layer that a "
                "classifier could be fitted in the place of: choose another one"
            )
        add(kind="embedding", features=output.shape[1], classes=count)
    elif entry.class_vectors and _is_vector(output):
        add(kind="cosine", features=output.shape[1], classes=count)
    elif entry.threshold is not None and count == 2 and _is_number(output):
        add(kind="one_logit", offset=math.log(entry.threshold / (1 - entry.threshold)))
    if adapters:
        output = logits_of(network, example, entry.geometry)
    _require_logits(output, count, entry.threshold)
    adapted = {"adapters": adapters} if adapters else {}
    return network.eval(), entry.architecture | adapted


def _is_vector(output: Any) -> bool:
    return isinstance(output, torch.Tensor) and output.ndim == 2


def _is_number(output: Any) -> bool:
    return isinstance(output, torch.Tensor) and output.numel() == 1


def logits_of(network: nn.Module, images: torch.Tensor, geometry: Geometry | None) -> Any:
    """What a network gives for images (N, C, H, W).

    Parameters
    ----------
    geometry
        What the weights expect.

    Raises
    ------
    TickleError
        If it cannot run, with the network's own complaint.
    """
    height, width = images.shape[2:]
    try:
        with torch.inference_mode():
            return network(images)
    except Exception as error:  # each architecture complains in its own way
        hint = f"; its weights expect {geometry.image_size} pixels" if geometry else ""
        raise TickleError(
            f"the model cannot run on images of {height} x {width} pixels "
            f"({' '.join(str(error).split()) or type(error).__name__}): "
            f"set dataset.image_size to a size that it takes{hint}"
        ) from None


def _require_logits(logits: Any, classes: int, threshold: float | None) -> None:
    """Refuse what is not (1, classes)."""
    if isinstance(logits, torch.Tensor) and logits.shape == (1, classes):
        return
    if _is_number(logits) and threshold is not None:
        raise TickleError(
            f"model.threshold is set, for one logit that tells two classes apart, but there are "
            f"{classes}"
        )
    if _is_number(logits):
        raise TickleError(
            f"the model gives one number per image, for {classes} classes: if it is the logit of "
            "the second of two classes, set model.threshold (0.5 is usual); if it is a regression, "
            "it has no classes, and cannot be analysed"
        )
    found = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    expected = f"[1, {classes}] for one image, a logit per class"
    if threshold is not None:
        expected = "one logit for one image, as model.threshold is set"
    raise TickleError(
        f"the model should give {expected}, but gives {found}: check model.class_names and the "
        "architecture; of a backbone without a classifier, set model.head to probe"
    )


def _require_scores(logits: torch.Tensor) -> None:
    """Refuse probabilities: differences of logits are what analyses explain."""
    sums = logits.sum(1)
    if len(logits) > 1 and bool((logits >= 0).all()) and bool(((sums - 1).abs() < 1e-4).all()):
        raise TickleError(
            "the model's outputs are probabilities, which sum to 1 for each image: it ends in a "
            "softmax; build it without, so that it gives logits"
        )


def _require_channels(expected: int, found: int) -> None:
    """Refuse images of another number of channels than the model takes."""
    if expected != found:
        color = COLORS.get(expected)
        raise TickleError(
            f"the model takes images of {expected} channels, but the data set has {found}: "
            + (f"set dataset.color: {color}" if color else "choose another model")
        )


def _notes_on_tokens(entry: Entry, layers: dict[str, Any]) -> list[str]:
    prefix: list[str] = max((layer["prefix"] for layer in layers.values()), key=len, default=[])
    if not prefix or entry.prefix is not None or entry.architecture["library"] != "import":
        return []
    return [
        f"before the patches of an image there are tokens that were taken for {', '.join(prefix)}: "
        "model.prefix says what they are if they are something else"
    ]


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
