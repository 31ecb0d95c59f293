"""Where unfinished stores live: folders named by a hash of everything that decides their bytes.

A pass that broke off is taken up where it stopped, a changed param or model gets a folder of its
own, and a store that another layer's stage filled along the way is found by the stage that
publishes it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

FOLDER = Path(".cache/activations")


def store(store_key: str) -> Path:
    """The folder in which the store is filled."""
    return FOLDER / store_key


def is_published(store_key: str) -> bool:
    """Whether this store was finished and handed over before."""
    return _marker(store_key).is_file()


def finished(store_key: str) -> Path:
    """Take leave of a complete store: sweep it, note that it was published, return its folder."""
    folder = store(store_key)
    for leftover in folder.rglob("*.partial"):  # Zarr's half-written files after a kill
        leftover.unlink()
    _marker(store_key).touch()
    return folder


@contextmanager
def locked() -> Iterator[None]:
    """Let one pass at a time fill the scratch folder; the next one finds its work done."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(FOLDER / "lock"):
        yield


def _marker(store_key: str) -> Path:
    return FOLDER / f"{store_key}.published"
