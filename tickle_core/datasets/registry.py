"""The sources of image sets, by the name that `dataset.source` has in params.yaml."""

from pathlib import Path

from tickle_core.datasets import fashion_mnist, folder, torchvision_set
from tickle_core.errors import TickleError
from tickle_core.params.dataset import Dataset


def require(section: Dataset) -> None:
    """Refuse a source that is seen to be none before anything of it is read.

    Raises
    ------
    TickleError
        If the folder is missing or holds no class folders, or torchvision has no such set.
    """
    root = Path(section.folder)
    if not root.is_dir():
        raise TickleError(f"dataset.folder is {section.folder!r}, which is no folder: make it")
    if section.source == "folder":
        folder.require_classes(section)
    if section.source == "torchvision":
        torchvision_set.require_name(section.name)


def write(section: Dataset, seed: int, out: Path) -> None:
    """Write the image set that a section of params.yaml describes.

    Parameters
    ----------
    section
        `dataset` in params.yaml.
    seed
        Of a split that the source does not bring along.
    out
        An existing, empty folder. What an error leaves there is incomplete.

    Raises
    ------
    TickleError
        If the source is missing, incomplete or damaged.
    """
    match section.source:
        case "fashion_mnist":
            fashion_mnist.write(Path(section.folder), out)
        case "folder":
            folder.write(section, seed, out)
        case "torchvision":
            torchvision_set.write(section, seed, out)
