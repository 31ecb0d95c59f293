"""Damage that decoders forgive: they fill in what they cannot read, and say nothing.

Each format is asked for what it knows of itself: PNG for its checksums, JPEG for the warnings of
its decoder, TIFF for the length and checksum of its strips, WebP for whether its last bytes matter.
What breaks a GIF, Pillow refuses by itself, as far as it is seen at all; JPEG 2000 is made to
survive damage, and only its end is missed. BMP, PPM and TIFF without compression or with PackBits
hold nothing to check by.
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tickle_core.datasets import jpeg, tiff_strips

# More pixels than this per byte of a file, deflate at its best (8 of a bit each, 1032 times), are
# what headers say that lie, or bombs.
MOST_PIXELS_PER_BYTE = 8 * 1032
SMALL_PIXELS = 2**20  # flat ones may be packed as tightly as they like

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
WEBP_TAIL = 32  # bytes


def found(path: Path, image: Image.Image) -> str:
    """What is wrong with a file, "" if nothing is seen.

    Parameters
    ----------
    image
        The file as Pillow opened it; its pixels are read where a format needs it.
    """
    match image.format:
        case "PNG":
            return png(path)
        case "JPEG" | "MPO":
            return jpeg.damage(path.read_bytes())
        case "WEBP":
            return _webp(path.read_bytes(), image)
        case "TIFF":
            return tiff_strips.damage(path, image.tag_v2)  # type: ignore[attr-defined]
    return ""


def implausible(path: Path, size: tuple[int, int]) -> bool:
    """Whether a file is far too short for the pixels that its head announces."""
    pixels = size[0] * size[1]
    return pixels > max(SMALL_PIXELS, MOST_PIXELS_PER_BYTE * path.stat().st_size)


def png(path: Path) -> str:
    """Whether all chunks are there and have their checksums.

    https://www.w3.org/TR/png-3/#5DataRep
    """
    with path.open("rb") as file:
        file.seek(len(PNG_SIGNATURE))
        while True:
            head = file.read(8)
            if len(head) < 8:
                return "truncated"
            length, kind = struct.unpack(">I4s", head)
            content, checksum = file.read(length), file.read(4)
            if len(content) < length or len(checksum) < 4:
                return "truncated"
            if zlib.crc32(kind + content) != int.from_bytes(checksum):
                return f"damaged: the checksum of {_shown(kind)} differs"
            if kind == b"IEND":
                return ""


def _webp(content: bytes, image: Image.Image) -> str:
    """Whether the last bytes of the picture matter to it.

    Neither of WebP's codes has a checksum, and its decoder does not mind what is left over. But
    after damage the code means something else, which ends somewhere else.
    """
    if getattr(image, "is_animated", False):
        return ""
    end = _webp_end(content)
    changed = content[: end - WEBP_TAIL] + b"\xff" * WEBP_TAIL + content[end:]
    try:
        with Image.open(io.BytesIO(changed), formats=["WEBP"]) as other:
            same = np.array_equal(np.asarray(image), np.asarray(other))
    except Exception:  # a decoder that stumbles has read them
        return ""
    return "damaged: its last bytes are no part of the picture" if same else ""


def _webp_end(content: bytes) -> int:
    """Where the last chunk of pixels ends (https://www.rfc-editor.org/rfc/rfc9649)."""
    start, end = 12, len(content)
    while start + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, start)
        if kind in (b"VP8 ", b"VP8L"):
            end = min(start + 8 + length, len(content))
        start += 8 + length + length % 2
    return end


def _shown(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace")
