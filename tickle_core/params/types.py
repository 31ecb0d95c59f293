"""What the blocks of params.yaml are made of: the strict base class, and types of values."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# Aliases name stages, files and columns, and DVC cannot address a key that contains a dot.
ALIAS_PATTERN = r"^[a-z][a-z0-9_]*$"

Alias = Annotated[str, StringConstraints(pattern=ALIAS_PATTERN)]
ModulePath = Annotated[str, StringConstraints(min_length=1)]
# More steps, draws, images or units are more than any machine works through: a typing error.
MOST = 1_000_000
LARGEST = 1e9

Positive = Annotated[int, Field(gt=0, le=MOST)]
Many = Annotated[int, Field(gt=0, le=MOST**2)]  # images or tokens of which there may be more
Real = Annotated[float, Field(allow_inf_nan=False)]
PositiveReal = Annotated[float, Field(gt=1 / LARGEST, le=LARGEST)]
NotNegative = Annotated[int, Field(ge=0, le=MOST)]
NotNegativeReal = Annotated[float, Field(ge=0, le=LARGEST)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
HeldOut = Annotated[float, Field(ge=0.01, le=0.9)]  # share of the images
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Device = Literal["auto", "cpu", "cuda", "mps"]


class Block(BaseModel):
    """A block of params.yaml: immutable, strict, closed to unknown keys.

    The text below a field says what it is; errors show it.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )
