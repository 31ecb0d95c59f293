"""Class folders of images, brought to one size and colour mode and split by content."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from tickle_core.datasets import image_set
from tickle_core.errors import TickleError
from tickle_core.params import ImageFolder

# Not every format that Pillow knows: some start other programs.
FORMATS = ("PNG", "JPEG", "JPEG2000", "GIF", "BMP", "TIFF", "WEBP", "PPM")

# Images that are decoded before their turn to be written.
LOOK_AHEAD = 64


def write(section: ImageFolder, seed: int, out: Path) -> None:
    """Write class folders as an image set, ordered by class and path.

    Parameters
    ----------
    section
        Where the images are, and how to bring them to one form.
    seed
        Of the split.
    out
        An existing, empty folder.

    Raises
    ------
    TickleError
        As `list_images` and `decode` do, or if no class has two different images, so that nothing
        can be held out.
    """
    root = Path(section.folder)
    paths_by_class = list_images(root)
    class_names = list(paths_by_class)
    paths = [path for paths in paths_by_class.values() for path in paths]
    labels = [label for label, name in enumerate(class_names) for _ in paths_by_class[name]]

    contents = image_set.write_images(
        out,
        _decode_in_order(paths, section.image_size, section.color),
        count=len(paths),
        shape=(section.image_size, section.image_size, 3 if section.color == "rgb" else 1),
        class_names=class_names,
    )
    splits = split_by_content(labels, contents, section.test_share, seed)
    if "test" not in splits:
        raise TickleError(
            f"{root} leaves nothing to test on: no class folder has two images that differ; add "
            "images"
        )
    image_set.write_table(
        out,
        splits=splits,
        labels=labels,
        sources=[path.relative_to(root).as_posix() for path in paths],
        contents=contents,
        class_names=class_names,
    )


def list_images(root: Path) -> dict[str, list[Path]]:
    """Files of each class folder, subfolders included; classes and files sorted by name.

    Hidden files and folders are left out.

    Raises
    ------
    TickleError
        If the folder is missing or empty, has files outside class folders or fewer than two
        classes, or if a class folder has no files.
    """
    if not root.is_dir():
        raise TickleError(
            f"{root} is missing or no folder: set dataset.folder to a folder that holds one "
            "folder of images per class"
        )
    entries = _sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    if not entries:
        raise TickleError(f"{root} is empty: put one folder of images per class into it")
    for entry in entries:
        if not entry.is_dir():
            raise TickleError(f"{entry} is in no class folder: move it into one or remove it")
    if len(entries) == 1:
        raise TickleError(
            f"{entries[0]} is the only class folder: {root} needs at least two, one per class"
        )
    paths_by_class = {entry.name: _visible_files(entry) for entry in entries}
    for name, paths in paths_by_class.items():
        if not paths:
            raise TickleError(f"{root / name} has no images: add some or remove the folder")
    return paths_by_class


def decode(path: Path, size: int, color: Literal["grey", "rgb"]) -> np.ndarray:
    """One image, turned upright, cropped to its central square and resized.

    Transparent parts become white. Of an animation, the first frame counts. 16-bit grey keeps its
    upper 8 bits.

    Returns
    -------
    uint8 (size, size, 1) for grey, (size, size, 3) for rgb

    Raises
    ------
    TickleError
        If the file is damaged, no image, or of a format or pixel type that is not read.
    """
    try:
        with Image.open(path, formats=FORMATS) as file:
            image = _convert(ImageOps.exif_transpose(file), "RGB" if color == "rgb" else "L")
    except Exception as error:  # decoders raise many kinds on damaged files
        raise TickleError(
            f"{path} cannot be decoded as {', '.join(FORMATS)} ({error}): replace or remove it"
        ) from None
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    # Pillow widens the filter when it shrinks an image, which is what prevents aliasing.
    pixels = np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))
    return pixels.reshape(size, size, -1)


def split_by_content(
    labels: Sequence[int], contents: Sequence[str], test_share: float, seed: int
) -> list[image_set.Split]:
    """Assign each image to a split, by its content and the seed alone.

    Of each class, round(test_share * n) images become test images, but at least one, and at least
    one stays a train image. Copies of an image within a class stay together: where they do not
    fit, fewer become test images (or more, if even one image has too many copies). A class of one
    image, or of copies of one, is train.
    """
    copies_by_class: dict[int, Counter[str]] = {}
    for label, content in zip(labels, contents, strict=True):
        copies_by_class.setdefault(label, Counter())[content] += 1
    test = set()
    for label, copies in copies_by_class.items():
        order = sorted(copies, key=lambda content: image_set.shuffle_key(content, "split", seed))
        room = min(max(1, round(test_share * copies.total())), copies.total() - 1)
        chosen = []
        for content in order:
            if copies[content] <= room:
                chosen.append(content)
                room -= copies[content]
        if not chosen and len(order) > 1:
            chosen = [min(order, key=copies.__getitem__)]
        test.update((label, content) for content in chosen)
    return ["test" if image in test else "train" for image in zip(labels, contents, strict=True)]


def _visible_files(folder: Path) -> list[Path]:
    """All files below a folder that are neither hidden nor in a hidden folder."""
    return _sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _sorted(paths: Iterable[Path]) -> list[Path]:
    """Paths in the order of their text; their own order differs between versions of Python."""
    return sorted(paths, key=Path.as_posix)


def _convert(image: Image.Image, mode: Literal["L", "RGB"]) -> Image.Image:
    """Bring an image to 8-bit grey ("L") or colour ("RGB")."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert(mode)
    if image.mode in ("I", "F"):
        raise ValueError("the range of its 32-bit pixels is unknown; save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    # Via RGB, because Pillow has no direct way to grey from every mode; grey itself is unchanged.
    return image.convert("RGB").convert(mode)


def _decode_in_order(
    paths: Iterable[Path], size: int, color: Literal["grey", "rgb"]
) -> Iterator[np.ndarray]:
    """Decode in threads (Pillow releases the GIL), at most `LOOK_AHEAD` images ahead."""
    work = partial(decode, size=size, color=color)
    ahead = deque()
    with ThreadPoolExecutor() as pool:
        for path in paths:
            ahead.append(pool.submit(work, path))
            if len(ahead) == LOOK_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
