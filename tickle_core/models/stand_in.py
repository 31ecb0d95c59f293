"""The network that params.yaml names, before there are weights or images for it."""

from collections.abc import Sequence

import torch
from torch import nn

from tickle_core.datasets.announced import STAND_INS, announced
from tickle_core.models import classes
from tickle_core.models.assembly import complete
from tickle_core.models.zoo import registry, weight_files
from tickle_core.params.model import Model
from tickle_core.params.schema import Params


def stand_in(checked: Params) -> tuple[nn.Module, torch.Tensor, Sequence[str] | None]:
    """The network with random weights, one image (1, C, H, W), all zero, and what params.yaml says
    of tokens before the patches: what `tickle_core.models.layers.survey` takes.

    Its modules and their outputs are those of the model to come; its classes may be stand-ins.

    Raises
    ------
    TickleError
        If the model does not exist, or cannot run on images as params.yaml announces them.
    """
    images = announced(checked.dataset)
    entry = registry.describe(checked.model, images)
    example = torch.zeros(1, images.channels, images.side, images.side)
    network, _ = complete(entry, example)
    return network, example, entry.prefix


def require_classes(checked: Params) -> None:
    """Refuse classes that the model will not have, as far as they are known before images are read.

    Raises
    ------
    TickleError
        Naming the class, where it stands, and the nearest one that there is.
    """
    names = registry.describe(checked.model, announced(checked.dataset)).class_names
    if tuple(names) == STAND_INS:
        return
    if checked.attack.target is not None:
        classes.place_of(checked.attack.target, names, "attack.target")
    for name in (name for pair in checked.path.classes for name in pair):
        classes.place_of(name, names, "path.classes")


def require_weights(section: Model) -> None:
    """Refuse a checkpoint that is not there, or is none.

    Raises
    ------
    TickleError
        As `tickle_core.models.zoo.weight_files.read` has it.
    """
    if section.source == "checkpoint":
        weight_files.read(weight_files.GIVEN / section.file, section.state)
