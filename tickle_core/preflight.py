"""What DVC would stumble over, said before it starts: `python -m tickle_core.preflight`.

DVC reads params.yaml and hashes the folders that stages depend on before it runs anything. It
waits for ever at a pipe, and says of a broken link only that there is no such file.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tickle_core.datasets.skipping import Skipped, summary
from tickle_core.errors import TickleError
from tickle_core.params import reading
from tickle_core.params.schema import Params

HASHED = (Path("data/checkpoints"), Path("data/concepts"))


def require(params: Params) -> None:
    """Refuse folders with something in them that DVC cannot hash.

    Raises
    ------
    TickleError
        Naming the first few.
    """
    for folder in (Path(params.dataset.folder), *HASHED):
        if found := list(_unreadable(folder)):
            raise TickleError(
                f"{folder}: DVC cannot read {len(found)} of its entries, so remove or rename them: "
                f"{summary(found)}"
            )


def _unreadable(root: Path) -> Iterator[Skipped]:
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in [*folders, *files]):
            if reason := _obstacle(path):
                yield Skipped(path.relative_to(root).as_posix(), reason)


def _obstacle(path: Path) -> str:
    """Why DVC cannot read something, "" if it can: it follows links, wherever they lead."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return "its name is not valid Unicode"
    try:
        if not path.exists():
            return "a link to nothing"
    except OSError:
        return "a link that leads in circles"
    if not path.is_file() and not path.is_dir():
        return "neither a file nor a folder"
    return ""


if __name__ == "__main__":
    try:
        require(reading.load())
    except TickleError as error:
        sys.exit(f"error in params.yaml or the folders that it names: {error}")
