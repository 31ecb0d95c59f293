"""Where finished batches of pictures wait for the others: a folder named by what decides them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tickle_core.activations import scratch
from tickle_core.activations.store import ActivationStore

FOLDER = Path(".cache/features")


def folder(store: ActivationStore, inputs: Sequence[str], files: Sequence[Path]) -> Path:
    """The folder of the pictures of a layer, made if need be.

    Parameters
    ----------
    inputs, files
        What decides the pictures besides the store's content.
    """
    hashes = [scratch.file_hash(file) for file in files]
    path = FOLDER / scratch.key([*inputs, *hashes, *scratch.content(store.path)])
    path.mkdir(parents=True, exist_ok=True)
    return path


def keep(directory: Path, batch: int, pictures: np.ndarray) -> None:
    """Write a finished batch; it appears complete or not at all."""
    path = _file(directory, batch)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, pictures)
    partial.replace(path)


def kept(directory: Path, batch: int) -> np.ndarray | None:
    """A batch that was finished before, or None."""
    path = _file(directory, batch)
    return np.load(path) if path.is_file() else None


def _file(directory: Path, batch: int) -> Path:
    return directory / f"{batch:05d}.npy"
