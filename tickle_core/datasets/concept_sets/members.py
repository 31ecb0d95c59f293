"""Which images show a concept, and which its random partners come from.

Sets are drawn from *items*: images of the image set, and behind them textures and images of the
user's folders. Partners come from images outside the concept, drawn so that something else does
not give the concept away:

classes, synsets   evenly from all other classes
pixels             from the same classes as the concept's images, which are the fifth of each
                   class that follows the rule most: the class says nothing
texture            evenly from the other textures: being drawn says nothing
folder             evenly from all classes of the image set
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tickle_core import logistic
from tickle_core.datasets.concept_sets import definition, folders, rules, textures
from tickle_core.datasets.concept_sets.definition import Concept
from tickle_core.datasets.concept_sets.sets import ConceptSet, ConceptSets, Items
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.params.errors import hint

LEAST_TRAIN = 10
LEAST_TEST = 5
HELD_OUT = 1 / 3  # of textures and of a folder's images
READ_AT_ONCE = 4096
SYNSET = re.compile(r"(n\d{8})(?!\d)")


def gather(
    concepts: dict[str, Concept],
    images: ImageSet,
    ids: np.ndarray,
    count: int,
    pool: int,
    seed: int,
    folder: Path = definition.FOLDER,
) -> ConceptSets:
    """Find the images of each concept.

    Memory: the textures, `count` and half as many of each kind if any is asked for, the images of
    folders, and `READ_AT_ONCE` images of the set where there are rules on pixels.

    Parameters
    ----------
    ids
        Images of the set whose activations are stored, ascending.
    count
        Train images of a set, at most.
    pool
        Images of each split that sets are drawn from, at most; drawn so that classes keep their
        share.

    Raises
    ------
    TickleError
        In one line, if a concept names no class of the image set, has too few images or leaves
        too few outside, or is the same images as another one; if none is left. Groups of synsets
        are written for all of ImageNet: where too few images belong to one, it is left out.
    """
    finder = _Finder(concepts, images, _pool(images, ids, pool, seed), count, seed, folder)
    sets, left_out = [], {}
    for name, each in concepts.items():
        found = finder.find(name, each)
        lacking = _lacking(found.members, found.outside, finder.items.is_test)
        if not lacking:
            sets.append(found)
        elif each.source == "synsets":
            left_out[name] = lacking
        else:
            raise TickleError(f"concept {name!r} has {lacking}: give it others, or remove it")
    if not sets:
        raise TickleError("no concept has images enough: choose other ones with concepts.sets")
    _require_different(sets)
    return ConceptSets(finder.items, tuple(sets), left_out)


def among(concepts: dict[str, Concept], images: ImageSet, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Places of each concept's images among some of the image set's.

    Concepts that are drawn, or in folders of the user's, have none and are left out.

    Parameters
    ----------
    ids
        Images of one split, ascending.

    Raises
    ------
    TickleError
        If a concept names no class of the image set.
    """
    labels = images.table["label"].to_numpy(np.int64)[ids]
    found = {}
    for name, each in concepts.items():
        if each.pixels is not None:
            strengths = _strengths(each.pixels, images, ids)
            found[name] = _most(strengths, labels, np.zeros(len(ids), bool))
        elif each.source in ("classes", "synsets"):
            own = labels_of(name, each, images.class_names)
            found[name] = np.flatnonzero(np.isin(labels, own))
    return found


def lacking(concepts: dict[str, Concept], images: ImageSet, ids: np.ndarray) -> list[str]:
    """What `gather` will find too few of, as far as classes and splits show it: no pixel is read.

    Parameters
    ----------
    ids
        Images of the set whose activations will be stored.
    """
    table = images.table.iloc[ids]
    labels = table["label"].to_numpy(np.int64)
    test = (table["split"] == "test").to_numpy()
    found = []
    for name, each in concepts.items():
        if each.pixels is not None:
            inside = _most(np.zeros(len(ids)), labels, test)
        elif each.source == "classes":
            inside = np.flatnonzero(np.isin(labels, labels_of(name, each, images.class_names)))
        else:
            continue
        outside = np.setdiff1d(np.arange(len(ids)), inside)
        if why := _lacking(inside, outside, test):
            found.append(f"{name} has {why}")
    return found


class _Finder:
    """The items of some concepts, and which of them show each."""

    def __init__(
        self,
        concepts: dict[str, Concept],
        images: ImageSet,
        ids: np.ndarray,
        count: int,
        seed: int,
        folder: Path,
    ):
        table = images.table.iloc[ids]
        self._labels = table["label"].to_numpy(np.int64)
        self._test = (table["split"] == "test").to_numpy()
        self._images, self._ids, self._seed, self._folder = images, ids, seed, folder
        groups = self._textures(count) if any(each.texture for each in concepts.values()) else {}
        groups |= {
            name: self._of_folder(each.folder)
            for name, each in concepts.items()
            if each.folder is not None
        }
        starts = len(ids) + np.cumsum([0, *(len(found) for found, _ in groups.values())])
        self._groups = {
            key: np.arange(start, start + len(found))
            for (key, (found, _)), start in zip(groups.items(), starts, strict=False)
        }
        nothing = np.empty((0, *images.images.shape[1:]), np.uint8)
        classes = len(images.class_names)
        self.items = Items(
            ids,
            np.concatenate([nothing, *(found for found, _ in groups.values())]),
            np.concatenate(
                [
                    self._labels,
                    *(np.full(len(at), classes + i) for i, at in enumerate(self._groups.values())),
                ]
            ),
            np.concatenate([self._test, *(test for _, test in groups.values())]),
        )

    def find(self, name: str, each: Concept) -> ConceptSet:
        """The images of a concept."""
        labels: tuple[int, ...] = ()
        masks: dict[int, np.ndarray] = {}
        outside = self.items.natural
        if each.texture is not None:
            members = self._groups[_key(each.texture)]
            outside = np.concatenate([self._groups[_key(kind)] for kind in textures.KINDS])
        elif each.folder is not None:
            members = self._groups[name]
            if each.masks is not None:
                named = folders.files(self._folder / each.folder)
                found = folders.masks(self._folder / each.masks, named, self._images)
                masks = {int(members[place]): mask for place, mask in found.items()}
        elif each.pixels is not None:
            strengths = _strengths(each.pixels, self._images, self._ids)
            members = _most(strengths, self._labels, self._test)
        else:
            labels = labels_of(name, each, self._images.class_names)
            members = np.flatnonzero(np.isin(self._labels, labels))
        outside = np.setdiff1d(outside, members)
        matched = each.pixels is not None
        return ConceptSet(name, each.source, members, outside, matched, labels, masks)

    def _textures(self, count: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """By kind, its images and which are held out."""
        every = count + round(count * HELD_OUT / (1 - HELD_OUT))
        return {
            _key(kind): (
                textures.draw(
                    kind,
                    every,
                    self._images.images.shape[1:],
                    np.random.default_rng([self._seed, place]),
                ),
                np.arange(every) >= count,
            )
            for place, kind in enumerate(textures.KINDS)
        }

    def _of_folder(self, folder: str) -> tuple[np.ndarray, np.ndarray]:
        found = folders.decode(folders.files(self._folder / folder), self._images)
        return found, folders.held_out(found, HELD_OUT, self._seed)


def _strengths(rule: str, images: ImageSet, ids: np.ndarray) -> np.ndarray:
    parts = np.split(ids, range(READ_AT_ONCE, len(ids), READ_AT_ONCE))
    return np.concatenate([rules.strength(rule, images.read(part)) for part in parts])


def _key(texture: str) -> str:
    """Apart from the names of concepts, which are not empty and hold no such character."""
    return f"\0{texture}"


def _pool(images: ImageSet, ids: np.ndarray, most: int, seed: int) -> np.ndarray:
    table = images.table.iloc[ids]
    test = (table["split"] == "test").to_numpy()
    labels = table["label"].to_numpy(np.int64)
    drawn = [
        rows[logistic.draw_rows(labels[rows], most, seed)]
        for rows in (np.flatnonzero(~test), np.flatnonzero(test))
        if len(rows)
    ]
    return ids[np.sort(np.concatenate(drawn))]


def labels_of(name: str, each: Concept, class_names: Sequence[str]) -> tuple[int, ...]:
    """The classes that a concept consists of; none if it is no group of classes.

    Raises
    ------
    TickleError
        If it names a class that the image set has not.
    """
    unknown = [given for given in each.classes or () if given not in class_names]
    if unknown:
        raise TickleError(
            f"concept {name!r}: the image set has no class {unknown[0]!r}; "
            f"{hint(unknown[0], list(class_names))}"
        )
    found = {class_names.index(given) for given in each.classes or ()}
    for label, class_name in enumerate(class_names):
        synset = SYNSET.match(class_name)
        if synset and any(_holds(given, synset[1]) for given in each.synsets or ()):
            found.add(label)
    return tuple(sorted(found))


def _holds(given: str, synset: str) -> bool:
    first, _, last = given.partition("-")
    return first <= synset <= (last or first)


def _most(strength: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The share of each class and split that is strongest."""
    chosen = [np.empty(0, np.int64)]
    for label in np.unique(labels):
        for side in (False, True):
            rows = np.flatnonzero((labels == label) & (test == side))
            order = rows[np.argsort(-strength[rows], kind="stable")]
            chosen.append(order[: round(rules.SHARE * len(rows))])
    return np.sort(np.concatenate(chosen))


def _lacking(inside: np.ndarray, outside: np.ndarray, test: np.ndarray) -> str:
    """What a concept has too few of; empty if it has enough.

    Parameters
    ----------
    inside, outside
        Places of its images, and of those that its partners come from.
    test
        Whether each item is held out.
    """
    for what, found in (("images", inside), ("images outside it", outside)):
        for held_out, least, split in (
            (False, LEAST_TRAIN, "train"),
            (True, LEAST_TEST, "held-out"),
        ):
            count = int((test[found] == held_out).sum())
            if count < least:
                return f"{count} {split} {what}, of {least} at least"
    return ""


def _require_different(sets: Sequence[ConceptSet]) -> None:
    seen: dict[bytes, str] = {}
    for each in sets:
        other = seen.setdefault(each.members.tobytes(), each.name)
        if other != each.name:
            raise TickleError(f"concepts {other!r} and {each.name!r} are the same images: keep one")
