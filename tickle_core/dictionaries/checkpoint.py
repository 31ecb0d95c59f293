"""An unfinished training on disk."""

import io
from pathlib import Path
from typing import Any

import torch

FILE = "checkpoint.pt"


def save(directory: Path, state: dict[str, Any]) -> None:
    """Write the state of a training; what was saved before stands until it is complete."""
    partial = directory / f"{FILE}.partial"
    content = io.BytesIO()
    torch.save(state, content)
    # A full disk is an OSError here; torch itself would not say so.
    partial.write_bytes(content.getbuffer())
    partial.replace(directory / FILE)


def load(directory: Path) -> dict[str, Any] | None:
    """The last state that was saved, or None."""
    path = directory / FILE
    return torch.load(path, weights_only=True) if path.is_file() else None
