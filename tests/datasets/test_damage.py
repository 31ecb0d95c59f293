"""Sound files of each format are taken; files with a part of them gone, or changed, are not."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tickle_core.datasets import decoding
from tickle_core.datasets.image_set import Geometry

FORMATS = {
    "png": {},
    "jpg": {"quality": 80},
    "progressive.jpg": {"progressive": True, "optimize": True},
    "webp": {"quality": 80},
    "lossless.webp": {"lossless": True},
    "lzw.tif": {"compression": "tiff_lzw"},
    "deflate.tif": {"compression": "tiff_adobe_deflate"},
    "jpeg.tif": {"compression": "jpeg"},
    "gif": {},
}
GEOMETRY = Geometry(32, 32, "bilinear")


def photograph():
    """Smooth at a large scale, grained at a small one: (96, 128, 3)."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((128, 96), Image.Resampling.BICUBIC), float)
    return (smooth + rng.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(params=FORMATS)
def path(request, tmp_path):
    path = tmp_path / f"image.{request.param}"
    Image.fromarray(photograph()).save(path, **FORMATS[request.param])
    return path


def zeroed(path, start, stop):
    """Zeros in a part of a file, in shares of its length; its last two bytes stay."""
    content = path.read_bytes()
    first, last = int(start * len(content)), int(stop * len(content)) - 2
    path.write_bytes(content[:first] + bytes(last - first) + content[last:])


def assert_damaged(path):
    with pytest.raises(decoding.Unusable):
        decoding.decode(path, GEOMETRY, "rgb")


def test_a_sound_file_is_taken(path):
    assert decoding.decode(path, GEOMETRY, "rgb").shape == (32, 32, 3)


def test_a_zeroed_middle_is_seen(path):
    zeroed(path, 0.4, 0.6)
    assert_damaged(path)


def test_a_zeroed_end_is_seen(path):
    zeroed(path, 0.85, 1)
    assert_damaged(path)


def test_a_file_cut_in_half_is_seen(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_damaged(path)


def test_a_jpeg_2000_file_is_taken_whole_and_refused_cut(tmp_path):
    path = tmp_path / "image.jp2"
    Image.fromarray(photograph()).save(path)
    assert decoding.decode(path, GEOMETRY, "rgb").shape == (32, 32, 3)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_damaged(path)


@pytest.mark.parametrize("kind", ["png", "deflate.tif"])
def test_where_there_are_checksums_any_flipped_bit_is_seen(tmp_path, kind):
    path = tmp_path / f"image.{kind}"
    Image.fromarray(photograph()).save(path, **FORMATS[kind])
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 4, len(content) * 3 // 4, len(content) // 10):
        flipped = content.copy()
        flipped[place] ^= 16
        path.write_bytes(flipped)
        assert_damaged(path)


def test_damage_that_keeps_a_file_from_being_known_is_called_damage(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(photograph()).save(path)
    content = path.read_bytes()
    head = content[:33]  # up to the end of IHDR
    text = b"\0\0\0\x04tEXta\0bc" + b"\0\0\0\0"  # no checksum of anything
    path.write_bytes(head + text + content[33:])
    with pytest.raises(decoding.Unusable, match="damaged: the checksum of tEXt differs"):
        decoding.check(path, GEOMETRY)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_grey_and_four_colours_are_as_sound(tmp_path, mode):
    for kind in ("jpg", "lzw.tif", "jpeg.tif"):
        path = tmp_path / f"image.{kind}"
        Image.fromarray(photograph()).convert(mode).save(path, **FORMATS[kind])
        assert decoding.decode(path, GEOMETRY, "rgb").shape == (32, 32, 3)


def test_tiles_are_unpacked_as_strips_are(tmp_path):
    path = tmp_path / "image.tif"
    grey = photograph()[:96, :96, 0]  # 2 x 2 tiles of 48 pixels
    tiles = [
        zlib.compress(grey[y : y + 48, x : x + 48].tobytes()) for y in (0, 48) for x in (0, 48)
    ]
    starts = np.cumsum([8, *map(len, tiles)]).tolist()
    tables = struct.pack("<8I", *starts[:4], *map(len, tiles))
    entries = [
        *((256, 4, 1, 96), (257, 4, 1, 96), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)),
        *((322, 4, 1, 48), (323, 4, 1, 48), (324, 4, 4, starts[4]), (325, 4, 4, starts[4] + 16)),
    ]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    head = b"II*\0" + struct.pack("<I", starts[4] + len(tables))
    path.write_bytes(head + b"".join(tiles) + tables + directory)
    geometry = Geometry(96, 96, "bilinear")
    np.testing.assert_array_equal(decoding.decode(path, geometry, "grey")[..., 0], grey)
    content = bytearray(path.read_bytes())
    content[starts[3] + 20] ^= 1
    path.write_bytes(content)
    assert_damaged(path)


@pytest.mark.parametrize("color", ["white", "black", (10, 200, 30)])
def test_flat_images_are_sound(tmp_path, color):
    for kind, options in FORMATS.items():
        path = tmp_path / f"flat.{kind}"
        Image.new("RGB", (900, 700), color).save(path, **options)
        assert decoding.decode(path, GEOMETRY, "rgb").shape == (32, 32, 3), kind


def test_a_head_that_announces_what_no_file_of_its_length_holds_is_refused(tmp_path):
    path = tmp_path / "image.jpg"
    Image.fromarray(photograph()).save(path)
    content = bytearray(path.read_bytes())
    struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, 11_000, 12_000)
    path.write_bytes(content)
    with pytest.raises(decoding.Unusable, match=r"announces 12000 x 11000 pixels, .* too few"):
        decoding.check(path, GEOMETRY)
