"""What params.yaml says of images before there are any."""

from dataclasses import dataclass

from tickle_core.datasets import decoding, fashion_mnist
from tickle_core.params.dataset import Dataset

# Which classes a folder or a data set has is seen when it is read.
STAND_INS = ("one class", "another class")


@dataclass(frozen=True)
class Announced:
    """An image set to come, as far as a model has to fit it.

    Attributes
    ----------
    channels
        1 (grey) or 3 (RGB).
    side
        Height and width in pixels.
    class_names
        Its classes, or two that stand for them.
    """

    channels: int
    side: int
    class_names: tuple[str, ...]


def announced(section: Dataset) -> Announced:
    """The images that the section `dataset` of params.yaml will become."""
    if section.source == "fashion_mnist":
        return Announced(1, fashion_mnist.SIDE, fashion_mnist.CLASS_NAMES)
    return Announced(decoding.CHANNELS[section.color], section.image_size, STAND_INS)
