"""Sets of images that show a concept, and what they and their random partners are drawn from."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Items:
    """What sets are drawn from.

    Attributes
    ----------
    image_ids
        (n,) of the image set, ascending.
    extra
        uint8 (k, H, W, C), further images: items n to n + k - 1.
    stratum
        (n + k,): the class, and for textures and folders a number of their own.
    is_test
        (n + k,), whether an item serves judging only.
    """

    image_ids: np.ndarray
    extra: np.ndarray
    stratum: np.ndarray
    is_test: np.ndarray

    def split(self, items: np.ndarray, test: bool) -> np.ndarray:
        """Those of some items that are held out, or that are not."""
        return items[self.is_test[items] == test]

    @property
    def natural(self) -> np.ndarray:
        """The items of the image set."""
        return np.arange(len(self.image_ids))


@dataclass(frozen=True)
class ConceptSet:
    """A concept's images.

    Attributes
    ----------
    source
        One of `definition.SOURCES`.
    members, outside
        Items that show it, and items that its partners come from, ascending.
    matched
        Whether partners have the strata of the members, rather than all evenly.
    labels
        The classes that it consists of, if it does.
    masks
        By item, bool (H, W): where in the image it is, if the user says so.
    """

    name: str
    source: str
    members: np.ndarray
    outside: np.ndarray
    matched: bool
    labels: tuple[int, ...]
    masks: dict[int, np.ndarray]


@dataclass(frozen=True)
class ConceptSets:
    """All concepts of a file, and what they are drawn from.

    Attributes
    ----------
    sets
        Sorted by name.
    left_out
        Groups of synsets that too few of the images belong to, each with the reason.
    """

    items: Items
    sets: tuple[ConceptSet, ...]
    left_out: dict[str, str]
