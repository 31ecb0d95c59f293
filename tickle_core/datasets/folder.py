"""Class folders of images as an image set."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tickle_core.datasets import decoding, image_set, listing, skipping
from tickle_core.datasets.decoding import Unusable
from tickle_core.datasets.image_set import Geometry
from tickle_core.datasets.skipping import Skipped
from tickle_core.datasets.splitting import split_by_content
from tickle_core.errors import TickleError
from tickle_core.params.dataset import ImageFolder


def write(section: ImageFolder, seed: int, out: Path) -> None:
    """Write class folders as an image set, ordered by class and path.

    Each image is decoded once. What cannot be used (`listing.list_images`, `decoding.decode`) is
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
        As `list_images` does; if something cannot be used and `damaged` is `refuse`; if fewer
        than two classes have usable images; if all images are alike, so that none can be held out.
    """
    root = Path(section.folder)
    geometry = Geometry(section.resize, section.image_size, section.interpolation)
    refused = section.damaged == "refuse"

    paths_by_class, unusable = listing.list_images(root)
    _require_classes(root, list(paths_by_class), unusable)
    class_names = list(paths_by_class)
    files = [
        (label, path) for label, name in enumerate(class_names) for path in paths_by_class[name]
    ]
    with decoding.without_warnings():
        if refused:
            skipping.refuse(root, unusable + _check(root, files, geometry))
        decode = partial(decoding.decode, geometry=geometry, color=section.color)
        kept: list[tuple[int, str]] = []
        contents = image_set.write_images(
            out,
            _usable(root, files, decode, kept, unusable),
            count=len(files),
            shape=(section.image_size, section.image_size, decoding.CHANNELS[section.color]),
            class_names=class_names,
            geometry=geometry,
        )
    if refused:
        skipping.refuse(root, unusable)

    present = {label: rank for rank, label in enumerate(sorted({label for label, _ in kept}))}
    unusable += [
        Skipped(name, "a class folder without any usable image")
        for label, name in enumerate(class_names)
        if label not in present
    ]
    class_names = [class_names[label] for label in present]
    _require_classes(root, class_names, unusable)
    labels = [present[label] for label, _ in kept]
    splits = split_by_content(labels, contents, section.test_share, seed)
    if "test" not in splits:
        raise TickleError(
            f"{root} leaves nothing to test on: its images are all alike, or each lies in several "
            "classes; add others"
        )
    image_set.write_table(
        out,
        splits=splits,
        labels=labels,
        sources=[source for _, source in kept],
        contents=contents,
        class_names=class_names,
        skipped=unusable,
    )


def _check(root: Path, files: list[tuple[int, Path]], geometry: Geometry) -> list[Skipped]:
    """The files whose head shows already that they cannot be used."""
    work = partial(decoding.check, geometry=geometry)
    return [
        Skipped(source, str(result))
        for _, source, result in _attempts(root, files, work)
        if isinstance(result, Unusable)
    ]


def require_classes(root: Path) -> None:
    """Refuse a folder that lacks two class folders; what they hold is not looked at.

    Raises
    ------
    TickleError
        As `listing.class_folders` does, or if there are fewer than two.
    """
    folders, unusable = listing.class_folders(root)
    _require_classes(root, list(folders), unusable)


def _usable(
    root: Path,
    files: list[tuple[int, Path]],
    work: Callable[[Path], np.ndarray],
    kept: list[tuple[int, str]],
    unusable: list[Skipped],
) -> Iterator[np.ndarray]:
    """The images that can be decoded; label and source go to `kept`, the others to `unusable`."""
    for label, source, result in _attempts(root, files, work):
        if isinstance(result, Unusable):
            unusable.append(Skipped(source, str(result)))
        else:
            kept.append((label, source))
            yield result


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
