"""The image set in `data/dataset/`: how it is written, opened, read and drawn from.

images.zarr      uint8 (N, H, W, C), sharded along N; class names and geometry in its attributes
table.parquet    one row per image: id (its row in images.zarr), split ("train" or "test"),
                 label, class_name, source (where it came from), content (hash of its pixels)
skipped.json     what was found beside the images and could not be used, with the reason
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr

from tickle_core import arrays
from tickle_core.datasets import skipping
from tickle_core.datasets.skipping import Skipped
from tickle_core.errors import TickleError
from tickle_core.progress import progress

if TYPE_CHECKING:
    import pandas as pd

Split = Literal["train", "test"]

IMAGES = "images.zarr"
TABLE = "table.parquet"
SKIPPED = "skipped.json"
TABLE_SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "split": pa.string(),
        "label": pa.int64(),
        "class_name": pa.string(),
        "source": pa.string(),
        "content": pa.string(),
    }
)
SHARD_BYTES = 64 * 2**20
RANGE_16BIT = (0, 2**16 - 1)


@dataclass(frozen=True)
class Geometry:
    """How images of any size became squares of one size.

    Attributes
    ----------
    resize
        Length of the shorter side after resizing, in pixels.
    image_size
        Side of the square that was then cut out of the centre, in pixels.
    interpolation
        The filter, which widens when an image shrinks.
    range_16bit
        Values of 16-bit images that become black and white.
    """

    resize: int
    image_size: int
    interpolation: Literal["bilinear", "bicubic"]
    range_16bit: tuple[int, int] = RANGE_16BIT


@dataclass(frozen=True)
class ImageSet:
    """An image set opened for reading.

    Attributes
    ----------
    images
        uint8 (N, H, W, C), not yet read.
    table
        One row per image, in the order of `images`.
    class_names
        Name of each class, in the order of label.
    geometry
        How the images were brought to their size; None where they are as they came.
    skipped
        What was found beside the images and could not be used, sorted by source.
    remarks
        What else was noticed when the set was made, in sentences without their full stop.
    """

    images: zarr.Array
    table: "pd.DataFrame"
    class_names: tuple[str, ...]
    geometry: Geometry | None
    skipped: tuple[Skipped, ...]
    remarks: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images, in pixels."""
        return self.images.shape[1], self.images.shape[2]

    @property
    def side(self) -> int:
        """Height and width in pixels."""
        return self.images.shape[1]

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return self.images.shape[3]

    @classmethod
    def open(cls, path: Path) -> "ImageSet":
        """Open the image set in a folder.

        Raises
        ------
        TickleError
            If a part is missing or damaged, or if the parts do not belong together.
        """
        images = arrays.open_complete(path / IMAGES)
        table_path = path / TABLE
        remedy = f"delete {path} and run `dvc checkout` or `dvc repro`"
        try:
            with pq.ParquetFile(table_path, page_checksum_verification=True) as file:
                table = file.read()
        except (OSError, pa.ArrowException) as error:
            raise TickleError(f"{table_path} is missing or damaged ({error}): {remedy}") from None
        # Checksums cover the values, but not the names of the columns.
        if table.schema != TABLE_SCHEMA:
            raise TickleError(f"{table_path} is damaged (its columns differ): {remedy}")
        if len(table) != images.shape[0]:
            raise TickleError(
                f"{table_path} lists {len(table)} images, but {path / IMAGES} holds "
                f"{images.shape[0]}: {remedy}"
            )
        attributes: dict[str, Any] = dict(images.attrs)
        return cls(
            images,
            table.to_pandas(),
            tuple(attributes["class_names"]),
            _geometry(attributes["geometry"]),
            skipping.read(path / SKIPPED),
            tuple(attributes["remarks"]),
        )

    @property
    def duplicates(self) -> list[list[str]]:
        """Sources of images that are equal to the pixel, one list per image that has copies."""
        copied = self.table[self.table["content"].duplicated(keep=False)]
        groups = copied.groupby("content", sort=False)["source"]
        return [sources.tolist() for _, sources in groups]

    def read(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """Images by id, in the order asked for.

        Parameters
        ----------
        ids
            (n,), sorted or not, repeats allowed. Beside the result, memory holds one chunk.

        Returns
        -------
        uint8 (n, H, W, C)

        Raises
        ------
        IndexError
            If an id is not in the image set.
        TickleError
            If a shard is damaged; it is named.
        """
        ids = np.asarray(ids, dtype=np.int64)
        images = np.empty((len(ids), *self.images.shape[1:]), dtype=np.uint8)
        if len(ids) == 0:
            return images
        if ids.min() < 0 or ids.max() >= len(self.table):
            raise IndexError(
                f"ids run from 0 to {len(self.table) - 1}, not {ids.min()}-{ids.max()}"
            )
        order = np.argsort(ids, kind="stable")
        chunks = ids[order] // self.images.chunks[0]
        for places in np.split(order, np.flatnonzero(np.diff(chunks)) + 1):
            start, stop = int(ids[places[0]]), int(ids[places[-1]]) + 1
            images[places] = arrays.read_rows(self.images, start, stop)[ids[places] - start]
        return images


def write_images(
    out: Path,
    images: Iterable[np.ndarray],
    count: int,
    shape: tuple[int, int, int],
    class_names: Sequence[str],
    geometry: Geometry | None = None,
) -> list[str]:
    """Write the images of a set, shard by shard.

    Parameters
    ----------
    out
        An existing folder; `write_table` completes the set there.
    images
        Each uint8 (H, W, C). They are taken one by one: memory holds one shard.
    count
        How many there will be at most: which files hold an image shows only once they are
        decoded. The array is created for that many and cut to those that came.
    shape
        (H, W, C).
    class_names
        In the order of label.
    geometry
        How they were brought to that shape; None if they are as they came.

    Returns
    -------
    list of str
        `content_hash` of each image, in order.

    Raises
    ------
    ValueError
        If an image has another shape or type, or there are more than `count`.
    """
    row_bytes = int(np.prod(shape))
    # Powers of two, so that a shard divides into chunks; no larger than the set needs.
    most_rows = max(1, SHARD_BYTES // row_bytes)
    rows = min(1 << (most_rows.bit_length() - 1), 1 << (count - 1).bit_length())
    attributes = {
        "class_names": list(class_names),
        "geometry": asdict(geometry) if geometry else None,
    }
    array = arrays.create(out / IMAGES, (count, *shape), "uint8", rows, 0, attributes)

    contents: list[str] = []
    buffer = np.empty((rows, *shape), dtype=np.uint8)
    for image in progress(images, "write images", "image", total=count):
        if image.shape != shape or image.dtype != np.uint8:
            raise ValueError(f"expected uint8 {shape}, got {image.dtype} {image.shape}")
        if len(contents) == count:
            raise ValueError(f"expected at most {count} images, got more")
        buffer[len(contents) % rows] = image
        contents.append(content_hash(image))
        if len(contents) % rows == 0:
            arrays.write_shard(array, len(contents) // rows - 1, buffer[:rows])
    # Only now, because a shard is written whole, and the last one ends with the array.
    array.resize((len(contents), *shape))
    left = len(contents) % rows
    if left:
        arrays.write_shard(array, len(contents) // rows, buffer[:left])
    return contents


def write_table(
    out: Path,
    splits: Sequence[Split],
    labels: Sequence[int],
    sources: Sequence[str],
    contents: Sequence[str],
    class_names: Sequence[str],
    skipped: Sequence[Skipped] = (),
    remarks: Sequence[str] = (),
) -> None:
    """Complete a set: one entry per image in each sequence, in the order of the images.

    The bytes depend on nothing but the arguments and the version of Arrow.

    Parameters
    ----------
    class_names
        In the order of label. They replace those given to `write_images`, some of which may have
        turned out to have no usable image.
    skipped
        What could not be used.
    remarks
        What else was noticed.
    """
    columns = {
        "id": range(len(labels)),
        "split": splits,
        "label": labels,
        "class_name": [class_names[label] for label in labels],
        "source": sources,
        "content": contents,
    }
    table = pa.table(columns, schema=TABLE_SCHEMA)
    pq.write_table(table, out / TABLE, compression="zstd", write_page_checksum=True)
    array = zarr.open_array(out / IMAGES, mode="r+")
    array.update_attributes({"class_names": list(class_names), "remarks": list(remarks)})
    skipping.write(out / SKIPPED, skipped)


def _geometry(written: dict[str, Any] | None) -> Geometry | None:
    if written is None:
        return None
    low, high = written["range_16bit"]
    return Geometry(**written | {"range_16bit": (low, high)})


def content_hash(image: np.ndarray) -> str:
    """SHA-256 (hex) of an image's shape, as "28x28x1:", followed by its pixels in C order."""
    shape = "x".join(str(side) for side in image.shape) + ":"
    return hashlib.sha256(shape.encode() + image.tobytes()).hexdigest()


def shuffle_key(content: str, purpose: str, seed: int) -> bytes:
    """What to sort images by for a seeded random order that depends only on their content.

    Orders of different purpose or seed are independent. Adding or removing images leaves the
    order of the others as it was.
    """
    return hashlib.blake2b(
        content.encode(), digest_size=16, key=f"{purpose} {seed}".encode()
    ).digest()


def distinct(table: "pd.DataFrame", split: Split) -> "pd.DataFrame":
    """The rows of a split without copies: of equal images the first, so that n counts images."""
    return table[table["split"] == split].drop_duplicates("content")


def draw(table: "pd.DataFrame", split: Split, count: int | None, seed: int) -> np.ndarray:
    """A random draw of a split's distinct images, even over its classes.

    Classes take turns in giving an image, so their counts differ by at most one until a class has
    no more to give. A larger draw contains the smaller one. Neither the order of rows nor the
    other split plays a part.

    Parameters
    ----------
    table
        Of an `ImageSet`.
    split
        The split to draw from.
    count
        How many; None, or more than there are, takes all.
    seed
        Another seed, another draw.

    Returns
    -------
    int64 (n,)
        Ids, ascending.
    """
    rows = distinct(table, split)
    keys = [shuffle_key(content, "draw", seed) for content in rows["content"]]
    shuffled = rows.assign(key=keys).sort_values(["key", "id"])
    turns = shuffled.assign(turn=shuffled.groupby("label").cumcount())
    chosen = turns.sort_values(["turn", "key", "id"])["id"].iloc[:count]
    return np.sort(chosen.to_numpy())
