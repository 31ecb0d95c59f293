"""Strips and tiles of compressed TIFF files, unpacked to see whether they are whole.

Sections 13 and 14 of TIFF 6.0 (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf), and
JPEG as in its Technical Note 2.
"""

import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import TiffImagePlugin as tiff

from tickle_core.datasets import jpeg

LZW, JPEG, ADOBE_DEFLATE, DEFLATE = 5, 7, 8, 32946
YCBCR = 6
CHUNKY = 1  # the bands of a pixel stand together

# Codes of LZW that stand for no bytes.
CLEAR, END = 256, 257


def damage(path: Path, tags: Mapping[int, Any]) -> str:
    """What is wrong with the strips of the first image in a file, "" if nothing is seen."""
    compression = tags.get(tiff.COMPRESSION, 1)
    unpacked = {LZW: _lzw_length, ADOBE_DEFLATE: _zlib_length, DEFLATE: _zlib_length}
    if tags.get(tiff.PHOTOMETRIC_INTERPRETATION) == YCBCR:
        unpacked = {}  # rows are shorter, by a rule of their own
    if compression != JPEG and compression not in unpacked:
        return ""
    with path.open("rb") as file:
        for offset, stored, lengths in _strips(tags):
            file.seek(offset)
            content = file.read(stored)
            if len(content) < max(2, stored):
                return "truncated"
            if compression == JPEG:
                # What all strips have in common is stored once, between marks of its own.
                if trouble := jpeg.damage(tags.get(tiff.JPEGTABLES, b"")[:-2] + content[2:]):
                    return trouble
            elif compression == LZW and content[0] == 0 and content[1] & 1:
                continue  # as before TIFF 6.0, with the bits of codes in another order
            elif unpacked[compression](content, max(lengths)) not in lengths:
                return f"damaged: what is stored at byte {offset} does not unpack to whole rows"
    return ""


def kind(path: Path) -> str:
    """Bands and bits of the first image in a file that may be a TIFF; "" if it is none."""
    with path.open("rb") as file:
        head = file.read(8)
        if head[:4] not in (b"II*\0", b"MM\0*"):
            return ""
        tags = tiff.ImageFileDirectory_v2(head)
        file.seek(tags.next)
        tags.load(file)
    bits = "/".join(sorted({str(bits) for bits in tags.get(tiff.BITSPERSAMPLE, (1,))}))
    return f"a TIFF of {tags.get(tiff.SAMPLESPERPIXEL, 1)} bands of {bits} bits"


def _strips(tags: Mapping[int, Any]) -> Iterator[tuple[int, int, set[int]]]:
    """Where each strip or tile begins, how long it is, and how long it may be once unpacked."""
    bands, bits = tags.get(tiff.SAMPLESPERPIXEL, 1), tags.get(tiff.BITSPERSAMPLE, (1,))[0]
    together = bands if tags.get(tiff.PLANAR_CONFIGURATION, CHUNKY) == CHUNKY else 1
    height = tags[tiff.IMAGELENGTH]
    if tiff.TILEOFFSETS in tags:
        tile = _row_bytes(tags[tiff.TILEWIDTH], together, bits) * tags[tiff.TILELENGTH]
        for offset, stored in zip(tags[tiff.TILEOFFSETS], tags[tiff.TILEBYTECOUNTS], strict=True):
            yield offset, stored, {tile}
        return
    row = _row_bytes(tags[tiff.IMAGEWIDTH], together, bits)
    rows = min(tags.get(tiff.ROWSPERSTRIP, height), height)
    per_band = -(-height // rows)
    stored_strips = zip(tags[tiff.STRIPOFFSETS], tags[tiff.STRIPBYTECOUNTS], strict=True)
    for place, (offset, stored) in enumerate(stored_strips):
        left = height - place % per_band * rows
        # Some programs fill up the last strip.
        yield offset, stored, {row * min(rows, left), row * rows}


def _row_bytes(width: int, bands: int, bits: int) -> int:
    return -(-width * bands * bits // 8)


def _zlib_length(content: bytes, most: int) -> int:
    """Length of what zlib unpacks, whose checksum it compares; -1 if it cannot, or is more."""
    unpacker = zlib.decompressobj()
    try:
        length = len(unpacker.decompress(content, most + 1))
    except zlib.error:
        return -1
    return length if unpacker.eof else -1


def _lzw_length(content: bytes, most: int) -> int:
    """Length of what LZW unpacks; -1 if a code has no meaning, or if it is more."""
    return int(_compiled()(np.frombuffer(content, np.uint8), most))


@cache
def _compiled() -> Any:
    from numba import njit  # takes seconds, and few files need it

    return njit(_count_lzw)


def _count_lzw(content: np.ndarray, most: int) -> int:
    lengths = np.ones(4096, np.int64)  # of the string that each code stands for
    following, width, previous = END + 1, 9, 0
    buffer, bits, total = 0, 0, 0
    for byte in content:
        buffer = (buffer << 8) | byte
        bits += 8
        if bits < width:
            continue
        bits -= width
        code = buffer >> bits
        buffer &= (1 << bits) - 1
        if code == END:
            break
        if code == CLEAR:
            following, width, previous = END + 1, 9, 0
            continue
        if code > following or (code >= CLEAR and previous == 0):
            return -1
        # The one code that is not known yet is the last string and its own first byte.
        length = previous + 1 if code == following else lengths[code]
        if previous and following < 4096:
            lengths[following] = previous + 1
            following += 1
        total += length
        previous = length
        if total > most:
            return -1
        # Widths grow one code early, as in all files since TIFF 6.0.
        if following in (511, 1023, 2047):
            width += 1
    return total
