"""Fashion-MNIST: 70,000 grey images, 28 x 28, of ten kinds of clothing (Xiao et al., 2017).

The four IDX files are taken from the user's folder, else from the download cache, else they are
downloaded into it: through torchvision, else from Debian's package. Wherever they come from, their
decompressed content is checked.
"""

import gzip
import hashlib
import os
import subprocess
import tempfile
import zlib
from itertools import chain
from pathlib import Path

import numpy as np

from tickle_core import downloads
from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import Split
from tickle_core.errors import TickleError

# SHA-256 of the decompressed files.
CHECKSUMS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIDE = 28
CACHE = Path(".cache/downloads/fashion_mnist")
DEBIAN_PACKAGE = "dataset-fashion-mnist"

COMMAND_TIMEOUT_SECONDS = 300


def write(folder: Path, out: Path) -> None:
    """Write Fashion-MNIST as an image set: the 60,000 train images, then the 10,000 test images.

    Parameters
    ----------
    folder
        Where the user may have put the four files.
    out
        An existing, empty folder.

    Raises
    ------
    TickleError
        As `load` does.
    """
    files = load(folder)
    images = {split: parse_idx(files[f"{split}-images-idx3-ubyte"]) for split in ("train", "t10k")}
    labels = {split: parse_idx(files[f"{split}-labels-idx1-ubyte"]) for split in ("train", "t10k")}
    counts = {split: len(images[split]) for split in images}
    contents = image_set.write_images(
        out,
        (image[:, :, np.newaxis] for image in chain(images["train"], images["t10k"])),
        count=sum(counts.values()),
        shape=(*images["train"].shape[1:], 1),
        class_names=CLASS_NAMES,
    )
    splits: list[Split] = ["train"] * counts["train"]
    splits += ["test"] * counts["t10k"]
    image_set.write_table(
        out,
        splits=splits,
        labels=[*labels["train"].tolist(), *labels["t10k"].tolist()],
        sources=[
            f"{split}-images-idx3-ubyte#{row}" for split in images for row in range(counts[split])
        ],
        contents=contents,
        class_names=CLASS_NAMES,
    )


def load(folder: Path, cache: Path = CACHE) -> dict[str, bytes]:
    """Decompressed content of the four files, by name.

    Raises
    ------
    TickleError
        If a file in `folder` or `cache` is not the published one, if `folder` has some of the
        files but not all, or if there are none and no download succeeds.
    """
    files = read_files(folder)
    if 0 < len(files) < len(CHECKSUMS):
        raise TickleError(
            f"{folder} has some of the Fashion-MNIST files but lacks {_missing(files)}: add them, "
            "plain or as .gz, or move the others away to have all of them downloaded"
        )
    files = files or read_files(cache)
    if len(files) < len(CHECKSUMS):
        files = _download(folder)
        _keep(files, cache)
    return files


def read_files(folder: Path) -> dict[str, bytes]:
    """Checked content of those of the four files, plain or .gz, that are in a folder.

    Raises
    ------
    TickleError
        If a file is unreadable or not the published one; it is named.
    """
    files = {}
    for name, expected in CHECKSUMS.items():
        for path in (folder / f"{name}.gz", folder / name):
            if not path.is_file():
                continue
            try:
                content = path.read_bytes()
                files[name] = gzip.decompress(content) if path.suffix == ".gz" else content
            except (OSError, EOFError, zlib.error) as error:
                raise TickleError(
                    f"{path} cannot be read ({error}): replace or remove it"
                ) from None
            found = hashlib.sha256(files[name]).hexdigest()
            if found != expected:
                raise TickleError(
                    f"{path} is not the published file: its content has SHA-256 {found} instead "
                    f"of {expected}; replace or remove it"
                )
    return files


def parse_idx(content: bytes) -> np.ndarray:
    """The array in an IDX file of unsigned bytes.

    Two zero bytes, the type (8), the number of axes, their lengths as big-endian uint32, the data.

    Raises
    ------
    ValueError
        If the content is no such file, or its size does not fit its header.
    """
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(f"not an IDX file of unsigned bytes: it starts with {content[:4].hex()}")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _download(folder: Path) -> dict[str, bytes]:
    """The four files from the first place that answers."""
    failures = []
    for place, fetch in (
        ("torchvision's download", _fetch_with_torchvision),
        (f"Debian's package {DEBIAN_PACKAGE}", _fetch_from_debian),
    ):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                files = read_files(fetch(Path(scratch)))
                if len(files) == len(CHECKSUMS):
                    return files
                failures.append(f"{place}: it lacks {_missing(files)}")
            except Exception as error:  # whatever stops one way of getting them, the next may work
                failures.append(f"{place}: {' '.join(str(error).split()) or repr(error)}")
    raise TickleError(
        f"Fashion-MNIST was not found in {folder} and could not be downloaded "
        f"({'; '.join(failures)}): put {', '.join(CHECKSUMS)} into {folder}, plain or as .gz"
    )


def _fetch_with_torchvision(scratch: Path) -> Path:
    """Let torchvision download the files; returns the folder that they are in."""
    from torchvision.datasets import FashionMNIST  # takes seconds, and is seldom needed

    with downloads.impatient():
        return Path(FashionMNIST(scratch, download=True).raw_folder)


def _fetch_from_debian(scratch: Path) -> Path:
    """Unpack Debian's package without installing it; returns the folder that the files are in."""
    timeout = f"Acquire::http::Timeout={downloads.SOCKET_TIMEOUT_SECONDS}"
    options = ["-o", timeout, "-o", "Acquire::Retries=0"]
    try:
        _run(["apt-get", *options, "download", DEBIAN_PACKAGE], scratch)
    except subprocess.CalledProcessError as error:
        raise TickleError(f"{error.stderr} (`apt-get update` may mend this)") from None
    for package in scratch.glob("*.deb"):
        _run(["dpkg-deb", "-x", package.name, "."], scratch)
    return scratch / "usr/share/datasets/fashion-mnist"


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )


def _keep(files: dict[str, bytes], cache: Path) -> None:
    """Put checked files into the cache; each appears under its name only when complete."""
    cache.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        partial = cache / f".partial-{os.getpid()}-{name}"
        partial.write_bytes(content)
        partial.replace(cache / name)


def _missing(files: dict[str, bytes]) -> str:
    return ", ".join(name for name in CHECKSUMS if name not in files)
