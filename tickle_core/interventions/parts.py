"""What of a layer another image's activations replace: sites of positions, units, a direction.

Each kind consists of parts. For pairs of images, `between` gives what its parts change: the tokens
that a target has with some parts of its donor (`patched`); to first order, how much each part does
for the logit difference LD = logit of the donor's class - logit of the target's (`screen`); and how
much of the layer it changes (`amounts`).
"""

from dataclasses import dataclass
from typing import Protocol

import torch

from tickle_core.dictionaries.sparse import Pattern, sampled_product, sparse_product


@dataclass(frozen=True)
class PairBatch:
    """Pairs of one cell: images (n,), their tokens and the gradient of LD, (n, positions, d)."""

    cell: int
    donors: list[int]
    targets: list[int]
    donor: torch.Tensor
    target: torch.Tensor
    gradient: torch.Tensor


class Changes(Protocol):
    """What the parts of a kind change between the images of some pairs."""

    def patched(self, chosen: torch.Tensor) -> torch.Tensor:
        """The targets' tokens with the chosen parts (n or 1, parts) of the donors."""


class Screened(Changes, Protocol):
    """What parts change that can be chosen from."""

    def screen(self) -> torch.Tensor:
        """By how much each part alone raises LD to first order, (n, parts)."""

    def amounts(self) -> torch.Tensor:
        """Squared norm of what each part alone changes, summed over tokens, (n, parts)."""


class Parts(Protocol):
    """The parts of a kind."""

    def __len__(self) -> int:
        """How many there are."""

    def between(self, batch: PairBatch) -> Changes:
        """What the parts change between the images of each pair."""


class ScreenedParts(Parts, Protocol):
    """Parts that can be chosen from."""

    def between(self, batch: PairBatch) -> Screened:
        """As `Parts`."""


@dataclass(frozen=True)
class Positions:
    """Groups of positions, (sites, positions) bool."""

    masks: torch.Tensor

    def __len__(self) -> int:
        """As `Parts`."""
        return len(self.masks)

    def between(self, batch: PairBatch) -> "SiteChanges":
        """As `Parts.between`."""
        return SiteChanges(self.masks, batch)


@dataclass(frozen=True)
class SiteChanges:
    """What sites change."""

    masks: torch.Tensor
    batch: PairBatch

    def screen(self) -> torch.Tensor:
        """As `Screened.screen`."""
        change = self.batch.donor - self.batch.target
        return (self.batch.gradient * change).sum(2) @ self.masks.T.to(change.dtype)

    def amounts(self) -> torch.Tensor:
        """As `Screened.amounts`."""
        change = self.batch.donor - self.batch.target
        return change.square().sum(2) @ self.masks.T.to(change.dtype)

    def patched(self, chosen: torch.Tensor) -> torch.Tensor:
        """As `Changes.patched`; to the bit the donors' where all are chosen."""
        positions = (chosen[..., None] & self.masks).any(1)[..., None]
        return torch.where(positions, self.batch.donor, self.batch.target)


@dataclass(frozen=True)
class ReadUnits:
    """Units (parts, d) whose coefficients are inner products with the tokens."""

    directions: torch.Tensor

    def __len__(self) -> int:
        """As `Parts`."""
        return len(self.directions)

    def between(self, batch: PairBatch) -> "ReadChanges":
        """As `Parts.between`."""
        coefficients = (batch.donor - batch.target) @ self.directions.T
        return ReadChanges(self.directions, coefficients, batch)


@dataclass(frozen=True)
class ReadChanges:
    """By how much coefficients differ, (n, positions, parts)."""

    directions: torch.Tensor
    coefficients: torch.Tensor
    batch: PairBatch

    def screen(self) -> torch.Tensor:
        """As `Screened.screen`."""
        return (self.coefficients * (self.batch.gradient @ self.directions.T)).sum(1)

    def amounts(self) -> torch.Tensor:
        """As `Screened.amounts`."""
        return self.coefficients.square().sum(1) * self.directions.square().sum(1)

    def patched(self, chosen: torch.Tensor) -> torch.Tensor:
        """As `Changes.patched`."""
        return self.batch.target + (self.coefficients * chosen[:, None]) @ self.directions


@dataclass(frozen=True)
class CodedUnits:
    """Units (parts, d) with sparse coefficients: of each image, a sparse (positions, parts)."""

    directions: torch.Tensor
    codes: list[torch.Tensor]

    def per_token(self) -> float:
        """How many are active on a token, on average."""
        active = sum(each.values().numel() for each in self.codes)
        return active / sum(len(each) for each in self.codes)

    def __len__(self) -> int:
        """As `Parts`."""
        return len(self.directions)

    def between(self, batch: PairBatch) -> "CodedChanges":
        """As `Parts.between`."""
        entries = [self.codes[image] for image in (*batch.donors, *batch.targets)]
        positions, units = entries[0].shape
        places = [place * positions + each.indices()[0] for place, each in enumerate(entries)]
        token, tokens = torch.cat(places), positions * len(entries)
        unit = torch.cat([each.indices()[1] for each in entries])
        values = torch.cat([each.values() for each in entries])
        values = torch.where(token < tokens // 2, values, -values)
        return CodedChanges(
            self.directions, Pattern.of_rows(token, unit, tokens, units), values, batch
        )


@dataclass(frozen=True)
class CodedChanges:
    """What sparse coefficients add: (entries,) of a pattern (2 * n * positions, parts).

    The donors' tokens come first, then the targets', from which they are taken off.
    """

    directions: torch.Tensor
    pattern: Pattern
    values: torch.Tensor
    batch: PairBatch

    def screen(self) -> torch.Tensor:
        """As `Screened.screen`."""
        slopes = self.batch.gradient.flatten(0, 1).repeat(2, 1)
        products = self.values * sampled_product(slopes, self.directions, self.pattern)
        cells = self._image() * self.pattern.width + self.pattern.columns
        return self._sums(cells, products)

    def amounts(self) -> torch.Tensor:
        """As `Screened.amounts`."""
        tokens = self.pattern.height // 2
        cells = self.pattern.rows % tokens * self.pattern.width + self.pattern.columns
        # A unit may be active in both images.
        cells, place = cells.unique(return_inverse=True)
        changes = self.values.new_zeros(len(cells)).index_add(0, place, self.values)
        positions = self.batch.target.shape[1]
        image, unit = cells // (self.pattern.width * positions), cells % self.pattern.width
        found = self._sums(image * self.pattern.width + unit, changes.square())
        return found * self.directions.square().sum(1)

    def patched(self, chosen: torch.Tensor) -> torch.Tensor:
        """As `Changes.patched`; what the coefficients do not explain stays the target's."""
        of_image = chosen.expand(len(self.batch.target), -1)
        values = self.values * of_image[self._image(), self.pattern.columns]
        ends = sparse_product(values, self.directions, self.pattern)
        return self.batch.target + ends.view(2, *self.batch.target.shape).sum(0)

    def _image(self) -> torch.Tensor:
        """The pair of each entry."""
        images, positions, _ = self.batch.target.shape
        return self.pattern.rows // positions % images

    def _sums(self, cells: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Sums of values by pair and part."""
        images = len(self.batch.target)
        sums = values.new_zeros(images * self.pattern.width)
        return sums.index_add(0, cells, values).view(images, -1)


@dataclass(frozen=True)
class Lines:
    """Directions of the layer, one per position: (parts, positions, d), of unit norm or zero."""

    directions: torch.Tensor

    def __len__(self) -> int:
        """As `Parts`."""
        return len(self.directions)

    def between(self, batch: PairBatch) -> "LineChanges":
        """As `Parts.between`."""
        return LineChanges(self.directions, batch)


@dataclass(frozen=True)
class LineChanges:
    """What one direction changes, out of those that there are."""

    directions: torch.Tensor
    batch: PairBatch

    def patched(self, chosen: torch.Tensor) -> torch.Tensor:
        """As `Changes.patched`, of one direction that is the same for all pairs."""
        [along] = self.directions[chosen[0]]
        change = ((self.batch.donor - self.batch.target) * along).sum(2, keepdim=True)
        return self.batch.target + change * along
