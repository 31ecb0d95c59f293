"""Where an unfinished training lives: a folder named by a hash of everything that decides it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tickle_core.activations import scratch
from tickle_core.activations.store import ActivationStore

FOLDER = Path(".cache/sae")
FILE = "checkpoint.pt"


def folder(store: ActivationStore, inputs: Sequence[str]) -> Path:
    """The folder of a training on a store, made if need be.

    Parameters
    ----------
    inputs
        What decides the result besides the store's content.
    """
    path = FOLDER / scratch.key([*inputs, *scratch.content(store.path)])
    path.mkdir(parents=True, exist_ok=True)
    return path


def save(directory: Path, state: dict[str, Any]) -> None:
    """Write the state of a training; what was saved before stands until it is complete."""
    partial = directory / f"{FILE}.partial"
    torch.save(state, partial)
    partial.replace(directory / FILE)


def load(directory: Path) -> dict[str, Any] | None:
    """The last state that was saved, or None."""
    path = directory / FILE
    return torch.load(path, weights_only=True) if path.is_file() else None
