"""Hashes of what files hold."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def of_texts(texts: Iterable[str]) -> str:
    """One hash of several texts in their order, 32 hexadecimal digits."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]


def of_file(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_folder(path: Path) -> list[str]:
    """Those of all files below a folder, in the order of their paths."""
    return [of_file(file) for file in sorted(path.rglob("*")) if file.is_file()]
