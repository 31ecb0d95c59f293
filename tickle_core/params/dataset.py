"""The block `dataset`: the images."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tickle_core.params.types import Block, HeldOut, Positive

Value16Bit = Annotated[int, Field(ge=0, lt=2**16)]


class FashionMnist(Block):
    """Fashion-MNIST: from `folder` if its four files are there, else downloaded."""

    source: Literal["fashion_mnist"]
    """Where the images come from."""
    folder: str
    """Where its four files lie, or are looked for."""


class Photographs(Block):
    """What images of any size become, and how many of them are held out."""

    resize: Positive
    """The shorter side of an image before the crop, in pixels."""
    image_size: Positive
    """Side of the central square that is cut out, in pixels."""
    interpolation: Literal["bilinear", "bicubic"]
    """How images are resized."""
    color: Literal["grey", "rgb"]
    """The colour mode that all images are brought to."""
    test_share: HeldOut
    """Share of each class that is held out."""

    @model_validator(mode="after")
    def _crop_fits(self) -> "Photographs":
        if self.image_size > self.resize:
            raise ValueError(
                f"image_size is {self.image_size}, but the shorter side is resized to "
                f"{self.resize} only; lower image_size or raise resize"
            )
        return self


class ImageFolder(Photographs):
    """Class folders of images below `folder`, brought to one size and colour mode."""

    source: Literal["folder"]
    """Where the images come from."""
    folder: str
    """Below it, at any depth, lie folders named by class."""
    damaged: Literal["refuse", "skip"]
    """What becomes of files that are no usable image: refused, or skipped and listed."""
    split: Literal["content", "folders"]
    """What the split goes by: content (test_share of each class), or folders above the classes."""
    near_copies: Literal["note", "together"]
    """What becomes of images that are nearly the same: noted, or also kept on one side."""
    range_16bit: Annotated[list[Value16Bit], Field(min_length=2, max_length=2)]
    """Values of 16-bit grey images that become black and white."""

    @model_validator(mode="after")
    def _rises(self) -> "ImageFolder":
        black, white = self.range_16bit
        if black >= white:
            raise ValueError(f"range_16bit runs from {black} to {white}, and should rise")
        return self


class TorchvisionSet(Photographs):
    """A data set of torchvision by name: from `folder` if it is there, else downloaded."""

    source: Literal["torchvision"]
    """Where the images come from."""
    name: str
    """Name of the class in torchvision.datasets."""
    folder: str
    """Where its files lie, or are downloaded to."""


Dataset = Annotated[FashionMnist | ImageFolder | TorchvisionSet, Field(discriminator="source")]
