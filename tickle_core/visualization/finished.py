"""Finished batches of pictures, which wait on disk for the others."""

from pathlib import Path

import numpy as np


def save(directory: Path, batch: int, pictures: np.ndarray) -> None:
    """Write a finished batch; it appears complete or not at all."""
    path = _file(directory, batch)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, pictures)
    partial.replace(path)


def load(directory: Path, batch: int) -> np.ndarray | None:
    """A batch that was finished before, or None."""
    path = _file(directory, batch)
    return np.load(path) if path.is_file() else None


def _file(directory: Path, batch: int) -> Path:
    return directory / f"{batch:05d}.npy"
