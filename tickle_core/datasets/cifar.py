"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), whose files are pickles, read without running any.

torchvision unpickles them, and a pickle may do anything. Here a file is read only if it is the
published one, and then by an unpickler that knows arrays and nothing else.
"""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 32

# What an array consists of that Python 2 pickled, as the published files were.
ALLOWED = frozenset(
    {("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.core.multiarray", "_reconstruct")}
)


class Cifar:
    """One split of CIFAR, with the interface of torchvision's data sets.

    Parameters
    ----------
    root
        The folder that holds the unpacked archive's folder.
    published
        torchvision's `CIFAR10` or `CIFAR100`, which says what the files are named, their MD5, and
        where the class names stand.
    train
        Which split.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is not the published one.
    """

    def __init__(self, root: Path, published: Any, train: bool):
        folder = Path(root) / published.base_folder
        names = _load(folder / published.meta["filename"], published.meta["md5"])
        batches = [
            _load(folder / name, md5)
            for name, md5 in (published.train_list if train else published.test_list)
        ]
        self.classes = names[published.meta["key"]]
        self.targets = [
            label
            for batch in batches
            for label in (batch["labels"] if "labels" in batch else batch["fine_labels"])
        ]
        flat = np.concatenate([batch["data"] for batch in batches])
        self.data = flat.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self.data[row]), self.targets[row]


def _load(path: Path, md5: str) -> dict[str, Any]:
    content = path.read_bytes()
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ValueError(f"{path} is not the published file: MD5 {found} instead of {md5}")
    return _ArraysOnly(io.BytesIO(content), encoding="latin1").load()


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise ValueError(f"a pickle that asks for {module}.{name}, which no array needs")
        return super().find_class(module, name)
