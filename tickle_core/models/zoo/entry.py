"""What every source of models says about its model before anything is loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tickle_core.datasets.image_set import Geometry


@dataclass(frozen=True)
class Weights:
    """A state dict, and what is to be said of where it was found ("" if nothing)."""

    state: dict[str, torch.Tensor]
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """A model as its source describes it.

    Attributes
    ----------
    architecture, source, class_names
        As in the card (`tickle_core.models.assembly`).
    preprocessing
        Mean and std per channel, for pixels scaled to [0, 1]; None: those of the train split.
    weights
        Reads or downloads the weights; None for random ones.
    geometry
        The size of images that the weights expect, and how they are brought to it, if known.
    synsets
        WordNet id of each class, or None.
    fitted
        Whether the last layer is a classifier still to be fitted: its weights are not read.
    class_vectors
        Of an image tower whose classes are prompts: makes the weights (classes, d) of a
        classifier of its unit vectors, as `tickle_core.models.zoo.zero_shot` has it.
    threshold
        Of a model of one logit: the probability from which on it is the second of two classes.
    prefix
        What the tokens before the patches are, where the user says it.
    notes
        What its source says of it.
    """

    architecture: dict[str, Any]
    source: str
    class_names: Sequence[str]
    preprocessing: dict[str, list[float]] | None
    weights: Callable[[], Weights] | None = None
    geometry: Geometry | None = None
    synsets: Sequence[str] | None = None
    fitted: bool = False
    class_vectors: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    threshold: float | None = None
    prefix: Sequence[str] | None = None
    notes: Sequence[str] = ()
