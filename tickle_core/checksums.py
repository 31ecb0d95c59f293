"""Checksums of what stages leave, written when it is published; `intact` holds things against them.

A folder has a file SHA256SUMS, which `sha256sum --check SHA256SUMS` understands as well. Shards of
Zarr arrays are not in it: they are most of the bytes, and each of their chunks has a checksum of
its own. A metrics file, which is alone, holds its own.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tickle_core import hashing
from tickle_core.results import read_json, write_json

SUMS = "SHA256SUMS"
ZARR = "zarr.json"
OWN = "sha256"


def write(folder: Path) -> None:
    """Write SHA256SUMS into a finished folder."""
    lines = [f"{hashing.of_file(folder / name)}  {name}\n" for name in names(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """Write a metrics file that holds its own checksum; raises what `write_json` raises."""
    write_json(path, metrics)
    read = read_json(path)  # rounded
    write_json(path, read | {OWN: of_metrics(read)})


def names(folder: Path) -> Iterator[str]:
    """Files below a folder in the order of their paths, less shards of arrays and hidden files."""
    for path in sorted(folder.rglob("*"), key=Path.as_posix):
        is_shard = path.name != ZARR and (path.parent / ZARR).is_file()
        if path.is_file() and not is_shard and path.name != SUMS and path.name[0] != ".":
            yield path.relative_to(folder).as_posix()


def of_metrics(metrics: Any) -> str:
    """The checksum of a metrics file's content."""
    return hashing.of_texts([json.dumps(metrics, sort_keys=True)])
