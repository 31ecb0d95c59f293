"""Class folders of images as an image set."""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tickle_core import arrays
from tickle_core.datasets import (
    decoding,
    groups,
    image_set,
    layout,
    listing,
    near_copies,
    remarks,
    skipping,
)
from tickle_core.datasets.decoding import Loaded, Unusable
from tickle_core.datasets.image_set import Geometry, Split
from tickle_core.datasets.skipping import Skipped, printable
from tickle_core.datasets.splitting import split_by_content
from tickle_core.errors import TickleError
from tickle_core.params.dataset import ImageFolder


def write(section: ImageFolder, seed: int, out: Path) -> None:
    """Write class folders as an image set, ordered by class and path.

    Each image is decoded once. What cannot be used (`listing.list_images`, `decoding.load`) is
    refused, before any decoding where a file's head shows it, or left out and listed, as
    `section.damaged` says. A class without any usable image is no class of the set.

    Parameters
    ----------
    section
        Where the images are, and how to bring them to one form.
    seed
        Of the split.
    out
        An existing, empty folder.

    Raises
    ------
    TickleError
        As `list_images` and `groups.read` do; if something cannot be used and `damaged` is
        `refuse`; if fewer than two classes have usable images; if none can be held out.
    """
    root = Path(section.folder)
    black, white = section.range_16bit
    geometry = Geometry(section.resize, section.image_size, section.interpolation, (black, white))
    refused = section.damaged == "refuse"

    paths_by_class, unusable = listing.list_images(root, section.split)
    _require_classes(root, list(paths_by_class), unusable)
    class_names = list(paths_by_class)
    files = [
        (label, path) for label, name in enumerate(class_names) for path in paths_by_class[name]
    ]
    group_of = groups.read(root, [path.relative_to(root).as_posix() for _, path in files])
    with decoding.without_warnings():
        if refused:
            skipping.refuse(root, unusable + _check(root, files, geometry))
        found = _Found([], [], [], unusable)
        work = partial(decoding.load, geometry=geometry, color=section.color)
        contents = image_set.write_images(
            out,
            _usable(root, files, work, found),
            count=len(files),
            shape=(section.image_size, section.image_size, decoding.CHANNELS[section.color]),
            class_names=class_names,
            geometry=geometry,
        )
    if refused:
        skipping.refuse(root, unusable)

    present = {label: rank for rank, label in enumerate(sorted(set(found.labels)))}
    unusable += [
        Skipped(name, "a class folder without any usable image")
        for label, name in enumerate(class_names)
        if label not in present
    ]
    class_names = [class_names[label] for label in present]
    _require_classes(root, class_names, unusable)
    labels = [present[label] for label in found.labels]
    alike = near_copies.pairs(arrays.open_complete(out / image_set.IMAGES), contents)
    together = [*_groups(found.sources, group_of)]
    if section.near_copies == "together":
        together += alike.tolist()
    if section.split == "folders":
        splits = _published(root, found.sources)
    else:
        splits = split_by_content(labels, contents, section.test_share, seed, together)
    if "test" not in splits:
        raise TickleError(
            f"{root} leaves nothing to test on: its images are all alike or kept together, or each "
            "lies in several classes; add others"
        )
    # One image per class has a class on one side only, and that is no news.
    by_class = section.split == "folders" or together
    image_set.write_table(
        out,
        splits=splits,
        labels=labels,
        sources=list(map(printable, found.sources)),
        contents=contents,
        class_names=list(map(printable, class_names)),
        skipped=unusable,
        remarks=[
            *remarks.on_depth(found.highest, geometry),
            *remarks.on_near_copies(alike, splits, found.sources),
            *remarks.on_groups(found.sources, splits, group_of),
            *(remarks.on_sides(class_names, labels, splits) if by_class else []),
        ],
    )


@dataclass(frozen=True)
class _Found:
    """What came of the files: of usable ones label, source and highest value; the others."""

    labels: list[int]
    sources: list[str]
    highest: list[int | None]
    unusable: list[Skipped]


def _groups(sources: list[str], group_of: dict[str, str]) -> Iterator[list[int]]:
    """Places of the images of each group."""
    places: dict[str, list[int]] = {}
    for place, source in enumerate(sources):
        if source in group_of:
            places.setdefault(group_of[source], []).append(place)
    yield from places.values()


def _published(root: Path, sources: list[str]) -> list[Split]:
    """The split of each image, by the folder above its class."""
    sides = layout.splits(listing.folders_of(root, root.resolve())[0], root)
    return [sides[unicodedata.normalize("NFC", source.split("/")[0])] for source in sources]


def _check(root: Path, files: list[tuple[int, Path]], geometry: Geometry) -> list[Skipped]:
    """The files whose head shows already that they cannot be used."""
    work = partial(decoding.check, geometry=geometry)
    return [
        Skipped(source, str(result))
        for _, source, result in _attempts(root, files, work)
        if isinstance(result, Unusable)
    ]


def require_classes(section: ImageFolder) -> None:
    """Refuse a folder that lacks two class folders with files; none of these is opened.

    Raises
    ------
    TickleError
        As `listing.list_images` does, or if there are fewer than two.
    """
    root = Path(section.folder)
    paths_by_class, unusable = listing.list_images(root, section.split)
    _require_classes(root, list(paths_by_class), unusable)


def _usable(
    root: Path,
    files: list[tuple[int, Path]],
    work: Callable[[Path], Loaded],
    found: _Found,
) -> Iterator[np.ndarray]:
    """The images that can be decoded; what is known of each file goes to `found`."""
    for label, source, result in _attempts(root, files, work):
        if isinstance(result, Unusable):
            found.unusable.append(Skipped(source, str(result)))
        else:
            found.labels.append(label)
            found.sources.append(source)
            found.highest.append(result.highest)
            yield result.pixels


def _attempts(
    root: Path, files: list[tuple[int, Path]], work: Callable[[Path], Any]
) -> Iterator[tuple[int, str, Any]]:
    """Label, source and result (or why there is none) of work on each file, in threads."""

    def attempt(file: tuple[int, Path]) -> Any:
        try:
            return work(file[1])
        except Unusable as error:
            return error

    for (label, path), result in zip(files, decoding.in_order(attempt, files), strict=True):
        yield label, path.relative_to(root).as_posix(), result


def _require_classes(root: Path, class_names: list[str], unusable: list[Skipped]) -> None:
    if len(class_names) < 2:
        found = f"only {skipping.printable(class_names[0])}" if class_names else "none"
        beside = f"; beside it: {skipping.summary(unusable)}" if unusable else ""
        raise TickleError(
            f"{root} needs at least two class folders with usable images, and has {found}{beside}"
        )
