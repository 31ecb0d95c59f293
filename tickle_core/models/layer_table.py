"""The layers of a model as a table in the terminal, to choose from."""

from pathlib import Path
from typing import Any

import torch

from tickle_core import params
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.models.architectures import build
from tickle_core.models.assembly import require_logits
from tickle_core.models.layers import survey
from tickle_core.models.zoo import registry
from tickle_core.models.zoo.entry import Entry

DATASET = Path("data/dataset")
HEADINGS = ("layer", "shape", "tail's share", "clean cut")


def survey_params(checked: params.Params) -> dict[str, Any]:
    """The card's `layers` of the model that params.yaml names.

    Neither its weights nor, for models that come with their own classes, the image set are
    needed.

    Raises
    ------
    TickleError
        If the model does not exist, or its input's size is not known without the image set.
    """
    images = ImageSet.open(DATASET) if DATASET.exists() else None
    entry = registry.describe(checked.model, images)
    network = build(entry.architecture)
    example = torch.zeros(1, _channels(entry, images), *_size(checked, entry, images))
    require_logits(network, example, len(entry.class_names), entry.geometry)
    return survey(network, example)


def table(layers: dict[str, Any]) -> str:
    """One line per candidate layer, in module order.

    A clean cut is a layer that everything behind it can be computed from; the tail's share is
    that of the whole forward pass's cost which lies behind it.
    """
    rows = [HEADINGS]
    for module, layer in layers.items():
        shape = " x ".join(str(side) for side in layer["shape"])
        share = f"{layer['tail_share']:.1%}"
        # Why a layer is no clean cut is a sentence: it goes last, where it may be long.
        cut = "yes" if layer["clean_cut"] else f"no: {layer['obstacle']}"
        rows.append((module, f"{shape} {layer['layout']}", share, cut))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{module:<{widths[0]}}  {shape:<{widths[1]}}  {share:>{widths[2]}}  {cut}"
        for module, shape, share, cut in rows
    )


def _channels(entry: Entry, images: ImageSet | None) -> int:
    # A model without preprocessing of its own takes it, and its classes, from the image set.
    return len(entry.preprocessing["mean"]) if entry.preprocessing else images.images.shape[3]


def _size(checked: params.Params, entry: Entry, images: ImageSet | None) -> tuple[int, int]:
    """What params say that images will be brought to, else what they are, else what fits."""
    if side := getattr(checked.dataset, "image_size", None):
        return side, side
    if images is not None:
        return images.images.shape[1:3]
    if entry.geometry is not None:
        return entry.geometry.image_size, entry.geometry.image_size
    raise TickleError(
        f"{DATASET} is missing, so the images' size is not known: run `dvc repro dataset`"
    )
