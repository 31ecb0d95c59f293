"""What every source of models says about its model before anything is loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tickle_core.datasets.image_set import Geometry


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
        Reads or downloads the state dict; None for random weights.
    geometry
        The size of images that the weights expect, and how they are brought to it, if known.
    synsets
        WordNet id of each class, or None.
    """

    architecture: dict[str, Any]
    source: str
    class_names: Sequence[str]
    preprocessing: dict[str, list[float]] | None
    weights: Callable[[], dict[str, torch.Tensor]] | None = None
    geometry: Geometry | None = None
    synsets: Sequence[str] | None = None
