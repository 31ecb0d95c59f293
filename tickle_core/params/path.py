"""The block `path`: paths from images of one class to images of another that cost least."""

from typing import Annotated

from pydantic import AfterValidator, Field

from tickle_core.params.types import MOST, Block, Positive


def _differ(pair: list[str]) -> list[str]:
    if pair[0] == pair[1]:
        raise ValueError(f"a path from {pair[0]!r} to itself leads nowhere")
    return pair


def _doubled(segments: int) -> int:
    if segments & (segments - 1):
        raise ValueError(f"{segments} is no power of two, which 4 become by doubling")
    return segments


TwoClasses = Annotated[list[str], Field(min_length=2, max_length=2), AfterValidator(_differ)]


class Path(Block):
    """Adversarial paths, through pixels and through the headline layer."""

    pairs: Positive
    """Pairs of images, no two of which share one."""
    classes: list[TwoClasses]
    """Pairs of classes of the model, from one to the other; none for those that attacks confuse."""
    segments: Annotated[int, Field(ge=8), AfterValidator(_doubled)]
    """Of a path, in the end: it begins with 4, and their number doubles."""
    steps: Positive
    """Steps of the string method for each number of segments."""
    parts: Annotated[int, Field(ge=9, le=MOST)]
    """Of each segment, in the middle of which the cost is looked at in the end."""
    neighbours: Positive
    """Nearest neighbours that the path through real images goes along."""
    shown: Positive
    """Paths in the report."""
