"""Lists of tokens among a network's outputs: which axis they are on, and where each one is.

Patches are known by the network's own maps (as many tokens as a map has positions), or are found:
single cells of the image are changed, and each must change one token, in the order of a grid. A
square number of tokens alone is no proof of one.
"""

from collections.abc import Mapping, Sequence
from math import isqrt

import torch
from torch import nn

from tickle_core.errors import TickleError
from tickle_core.models.hooks import hooked

MOST_PREFIX = 16  # tokens before the patches that are looked for
CHANGED = 1e-4  # of the largest entry: less is rounding


class Sequences:
    """What a network's outputs say of its tokens.

    Parameters
    ----------
    network, example
        As for `tickle_core.models.layers.survey`.
    outputs
        Shape of each output for one image, (1, ...), by module path, in order of execution.
    prefix
        What the tokens before the patches are, where the user says it.

    Raises
    ------
    TickleError
        If no list of tokens has what the user says before a grid of patches.

    Attributes
    ----------
    prefix
        What the tokens before the patches are: class, register; found by what the network says of
        itself, or by measurement: then the first is taken for a class token.
    """

    def __init__(
        self,
        network: nn.Module,
        example: torch.Tensor,
        outputs: Mapping[str, torch.Size],
        prefix: Sequence[str] | None,
    ):
        self._grids = {a * b: [a, b] for a, b in map(_sides, outputs.values()) if a > 1}
        said = _declared(network) if prefix is None else prefix
        self.prefix = list(said or [])
        first_of: dict[int, str] = {}
        for path, shape in outputs.items():
            if len(shape) == 3:
                first_of.setdefault(shape[1], path)
        for length, path in first_of.items():
            if said is not None and self._patches(length):
                continue
            if found := _located(network, example, path, length):
                before, side = found
                self._grids[side * side] = [side, side]
                if said is None and before > len(self.prefix):
                    self.prefix = ["class"] + ["register"] * (before - 1)
        self.lengths = {length for length in first_of if self._patches(length)}
        if prefix and not any(0 < self._patches(length) < length for length in first_of):
            raise TickleError(
                f"model.prefix names {len(prefix)} tokens, but no list of tokens has as many "
                f"before a grid of patches; there are lists of {', '.join(map(str, first_of))}"
            )
        self._widths = {
            shape[2] for shape in outputs.values() if len(shape) == 3 and shape[1] in self.lengths
        }

    def place(self, length: int) -> tuple[list[str], list[int] | None]:
        """What is before the patches of so many tokens, and the grid of these, or None."""
        patches = self._patches(length)
        if not patches:
            return [], None
        return (self.prefix if patches < length else []), self._grids[patches]

    def mixes(self, shape: torch.Size) -> bool:
        """Whether (1, a, b) is a list of channels: what mixes tokens has these on its last axis."""
        rows, columns = shape[1:]
        return rows not in self.lengths and (
            rows in self._widths or (rows > 1 and columns in self.lengths)
        )

    def _patches(self, length: int) -> int:
        """How many of so many tokens are patches; 0 if that is not known."""
        return next((n for n in (length, length - len(self.prefix)) if n in self._grids), 0)


def _sides(shape: torch.Size) -> tuple[int, int]:
    """Height and width of a map; 0 of what is none."""
    if len(shape) != 4:
        return 0, 0
    _, a, b, c = shape
    return (b, c) if b == c else (a, b) if a == b else (0, 0)


def _declared(network: nn.Module) -> list[str] | None:
    """What a vision transformer says that it puts before its patches; None if it is silent."""
    if hasattr(network, "num_prefix_tokens"):  # timm
        every = int(getattr(network, "num_prefix_tokens", 0))
        registers = int(getattr(network, "num_reg_tokens", 0))
        return ["class"] * (every - registers) + ["register"] * registers
    return ["class"] if hasattr(network, "class_token") else None  # torchvision


def _located(
    network: nn.Module, example: torch.Tensor, path: str, length: int
) -> tuple[int, int] | None:
    """How many tokens are before the patches, and the side of the grid that these lie on.

    None unless each cell of the image that is changed changes one token, the one of its place. So
    it is before anything mixes tokens, if patches do not overlap.
    """
    for side in range(isqrt(length), 1, -1):
        before = length - side * side
        if before > MOST_PREFIX:
            break
        if example.shape[-1] % side:
            continue
        cells = [(0, 0), (0, 1), (1, 0), (side - 1, side - 1)]
        changed = _changed(network, example, path, side, cells)
        expected = torch.zeros_like(changed)
        for row, (y, x) in enumerate(cells):
            expected[row, before + y * side + x] = True
        if torch.equal(changed, expected):
            return before, side
    return None


def _changed(
    network: nn.Module,
    example: torch.Tensor,
    path: str,
    side: int,
    cells: list[tuple[int, int]],
) -> torch.Tensor:
    """(cells, tokens): which tokens are others once a cell of the image is another."""
    rng = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, *example.shape[1:], generator=rng).to(example)
    images = one.repeat(1 + len(cells), 1, 1, 1)
    size = example.shape[-1] // side
    for image, (y, x) in zip(images[1:], cells, strict=True):
        place = (..., slice(y * size, (y + 1) * size), slice(x * size, (x + 1) * size))
        image[place] = other[place]
    outputs: list[torch.Tensor] = []
    with hooked(network, [path], lambda *call: outputs.append(call[-1])), torch.no_grad():
        network(images)
    tokens = outputs[0]
    difference = (tokens[1:] - tokens[:1]).abs().amax(2)
    return difference > CHANGED * tokens.abs().max()
