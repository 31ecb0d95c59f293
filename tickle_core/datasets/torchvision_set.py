"""Data sets of torchvision by name.

Only sets that are read without unpickling what was downloaded, for which CIFAR has a reader here.
(An old form of MNIST, if it lies in the folder, is read by torchvision with `weights_only`.)
"""

import difflib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tickle_core import downloads
from tickle_core.datasets import decoding, image_set
from tickle_core.datasets.cifar import Cifar
from tickle_core.datasets.image_set import Geometry, Split
from tickle_core.datasets.splitting import split_by_content
from tickle_core.errors import TickleError
from tickle_core.params.dataset import TorchvisionSet

CACHE = Path(".cache/downloads")


@dataclass(frozen=True)
class Published:
    """How torchvision spells a data set.

    Attributes
    ----------
    place
        What stands in the folder if the set is there.
    train, test
        The parts that become the split, by their names in `source`, with the arguments that
        select them. Nothing in `test` where the set has no split of its own. What a set calls
        validation belongs to train, unless it is all that there is to test on.
    class_count
        For sets that do not name their classes, which then are "0", "1" and so on.
    """

    place: str
    train: dict[str, dict[str, Any]]
    test: dict[str, dict[str, Any]]
    class_count: int | None = None


def _splits(*names: str) -> dict[str, dict[str, Any]]:
    return {name: {"split": name} for name in names}


TRAIN, TEST = _splits("train"), _splits("test")
TRAIN_VAL = _splits("train", "val")
FLAGS = ({"train": {"train": True}}, {"test": {"train": False}})
UNSPLIT: tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]] = ({"all": {}}, {})

SETS = {
    "CIFAR10": Published("cifar-10-batches-py", *FLAGS),
    "CIFAR100": Published("cifar-100-python", *FLAGS),
    "Caltech101": Published("caltech101", *UNSPLIT),
    "Country211": Published("country211", _splits("train", "valid"), TEST),
    "DTD": Published("dtd", TRAIN_VAL, TEST),
    "EuroSAT": Published("eurosat", *UNSPLIT),
    "FGVCAircraft": Published("fgvc-aircraft-2013b", _splits("trainval"), TEST),
    "FashionMNIST": Published("FashionMNIST", *FLAGS),
    "Flowers102": Published("flowers-102", TRAIN_VAL, TEST),
    "Food101": Published("food-101", TRAIN, TEST),
    "GTSRB": Published("gtsrb", TRAIN, TEST, class_count=43),
    "Imagenette": Published("imagenette2", TRAIN, _splits("val")),
    "KMNIST": Published("KMNIST", *FLAGS),
    "MNIST": Published("MNIST", *FLAGS),
    "OxfordIIITPet": Published("oxford-iiit-pet", _splits("trainval"), TEST),
    "RenderedSST2": Published("rendered-sst2", TRAIN_VAL, TEST),
    "STL10": Published("stl10_binary", TRAIN, TEST),
    "SVHN": Published("train_32x32.mat", TRAIN, TEST, class_count=10),
    "USPS": Published("usps.bz2", *FLAGS, class_count=10),
}


def write(section: TorchvisionSet, seed: int, out: Path) -> None:
    """Write a data set as an image set: train images, then test images, each in the set's order.

    The published split stands, even where an image lies on both sides of it (which
    `ImageSet.duplicates` shows). Sets without one are split by content.

    Parameters
    ----------
    section
        Which set, where it may lie, and how to bring its images to one form.
    seed
        Of the split, where the set has none.
    out
        An existing, empty folder.

    Raises
    ------
    TickleError
        If the name is unknown, if the set is neither in the folder nor in the download cache and
        cannot be downloaded, or if it or one of its images is damaged.
    """
    parts = load(section.name, Path(section.folder))
    published = SETS[section.name]
    class_names = _class_names(next(iter(parts.values())), published)
    geometry = Geometry(section.resize, section.image_size, section.interpolation)
    places = [(name, row) for name, part in parts.items() for row in range(len(part))]
    labels: list[int] = []

    def decode(place: tuple[str, int]) -> tuple[np.ndarray, int]:
        name, row = place
        try:
            image, label = parts[name][row]
            return decoding.fit(decoding.to_color(image, section.color), geometry), int(label)
        except Exception as error:  # decoders raise many kinds on damaged files
            raise TickleError(
                f"{section.name}: image {name}#{row} cannot be read "
                f"({_line(error)}): remove the set, so that it is downloaded again"
            ) from None

    def images() -> Iterator[np.ndarray]:
        for pixels, label in decoding.in_order(decode, places):
            labels.append(label)
            yield pixels

    with decoding.without_warnings():
        contents = image_set.write_images(
            out,
            images(),
            count=len(places),
            shape=(section.image_size, section.image_size, decoding.CHANNELS[section.color]),
            class_names=class_names,
            geometry=geometry,
        )
    if published.test:
        splits: list[Split] = ["test" if name in published.test else "train" for name, _ in places]
    else:
        splits = split_by_content(labels, contents, section.test_share, seed)
    sources = [f"{name}#{row}" for name, row in places]
    image_set.write_table(out, splits, labels, sources, contents, class_names)


def require_name(name: str) -> None:
    """Refuse a set that is not read, with the nearest that are.

    Raises
    ------
    TickleError
        If `name` is none of SETS.
    """
    if name not in SETS:
        near = difflib.get_close_matches(name, SETS, n=3, cutoff=0.4) or list(SETS)
        raise TickleError(f"dataset.name is {name!r}, which is not read; valid: {', '.join(near)}")


def load(name: str, folder: Path, cache: Path = CACHE) -> dict[str, Any]:
    """The parts of a data set by their names: from the folder, the cache, or the network.

    Downloads go into the cache, since DVC watches the folder.

    Raises
    ------
    TickleError
        If the name is unknown, the set is damaged, or it is nowhere to be had.
    """
    require_name(name)
    place, kept = SETS[name].place, cache / name
    for root in (folder, kept):
        if (root / place).exists():
            try:
                return _open(name, root, download=False)
            except Exception as error:  # each set fails in its own way
                raise TickleError(
                    f"{root / place} is incomplete or damaged: torchvision cannot read {name} "
                    f"from it ({_line(error)}); replace or remove it"
                ) from None
    partial = cache / f".partial-{name}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with downloads.impatient():
            _open(name, partial, download=True)
    except Exception as error:  # whatever stops a download
        shutil.rmtree(partial)
        raise TickleError(
            f"{name} is neither in {folder} nor in {kept} and could not be downloaded "
            f"({_line(error)}): put {place}, as torchvision.datasets.{name} unpacks it, into "
            f"{folder}"
        ) from None
    # Torchvision takes a half unpacked archive for a whole one, so only whole ones get the name.
    shutil.rmtree(kept, ignore_errors=True)
    partial.rename(kept)
    return _open(name, kept, download=False)


def _open(name: str, root: Path, download: bool) -> dict[str, Any]:
    """The parts of a set; (image, label) by row."""
    from torchvision import datasets  # takes seconds
    from torchvision.datasets.utils import download_and_extract_archive

    made_by = getattr(datasets, name)
    parts = SETS[name].train | SETS[name].test
    if name not in ("CIFAR10", "CIFAR100"):
        return {
            part: made_by(root, **arguments, download=download) for part, arguments in parts.items()
        }
    if download:
        download_and_extract_archive(
            made_by.url, root, filename=made_by.filename, md5=made_by.tgz_md5
        )
    return {part: Cifar(root, made_by, **arguments) for part, arguments in parts.items()}


def _class_names(part: Any, published: Published) -> list[str]:
    """Names of the classes; of several names for one (Imagenette), the first."""
    if published.class_count is not None:
        return [str(label) for label in range(published.class_count)]
    names = part.classes if hasattr(part, "classes") else part.categories
    return [name if isinstance(name, str) else name[0] for name in names]


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
