"""Every kind of image file comes out as the upright square that a network was trained to see."""

import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tickle_core.datasets import decoding
from tickle_core.datasets.image_set import Geometry

EXIF_ORIENTATION = 0x0112
AS_IT_IS = Geometry(8, 8, "bicubic")


def make_pixels(shape=(8, 8), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def one_color(mode, value):
    return Image.new(mode, (8, 8), value)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 40),
    st.integers(0, 39),
    st.sampled_from(["bilinear", "bicubic"]),
    st.sampled_from(["L", "RGB"]),
)
def test_geometry_is_that_of_pretrained_models(width, height, resize, margin, interpolation, mode):
    from torchvision.transforms import v2

    image = Image.fromarray(make_pixels((height, width) if mode == "L" else (height, width, 3)))
    image_size = max(1, resize - margin)
    peer = v2.Compose(
        [
            v2.Resize(resize, interpolation=v2.InterpolationMode(interpolation), antialias=True),
            v2.CenterCrop(image_size),
        ]
    )
    found = decoding.fit(image, Geometry(resize, image_size, interpolation))
    assert found.dtype == np.uint8
    expected = np.asarray(peer(image)).reshape(image_size, image_size, -1)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_whole_way_equals_torchvision_on_a_photograph(tmp_path, suffix):
    from torchvision.transforms import v2

    path = tmp_path / f"image.{suffix}"
    ramp = np.add.outer(np.arange(300), np.arange(400)) % 256
    Image.fromarray(np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=2).astype(np.uint8)).save(path)
    with Image.open(path) as image:
        peer = v2.Compose([v2.Resize(256, v2.InterpolationMode.BICUBIC), v2.CenterCrop(224)])
        expected = np.asarray(peer(image.convert("RGB")))
    found = decoding.decode(path, Geometry(256, 224, "bicubic"), "rgb")
    np.testing.assert_array_equal(found, expected)


def test_every_exif_orientation_is_turned_upright(tmp_path):
    upright = make_pixels()
    # How the stored pixels follow from the upright ones, by orientation (EXIF 2.32, tag 274).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }
    for orientation, pixels in stored.items():
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        path = tmp_path / f"{orientation}.png"
        Image.fromarray(np.ascontiguousarray(pixels)).save(path, exif=exif)
        np.testing.assert_array_equal(decoding.decode(path, AS_IT_IS, "grey")[..., 0], upright)


@pytest.mark.parametrize(
    ("image", "suffix", "rgb"),
    [
        (one_color("L", 77), "png", (77, 77, 77)),
        (one_color("1", 1), "png", (255, 255, 255)),
        (one_color("RGB", (10, 200, 30)), "png", (10, 200, 30)),
        (one_color("RGB", (10, 200, 30)).quantize(2), "gif", (10, 200, 30)),
        (one_color("CMYK", (0, 255, 255, 0)), "tif", (255, 0, 0)),
        (one_color("CMYK", (0, 255, 255, 0)), "jpg", (255, 0, 0)),
        (one_color("I;16", 0x4DFF), "png", (0x4D, 0x4D, 0x4D)),
        (one_color("LA", (40, 255)), "png", (40, 40, 40)),
        (one_color("LA", (40, 0)), "png", (255, 255, 255)),
        (one_color("RGBA", (10, 200, 30, 255)), "png", (10, 200, 30)),
        (one_color("RGBA", (10, 200, 30, 0)), "png", (255, 255, 255)),
        (one_color("RGBA", (0, 0, 0, 51)), "png", (204, 204, 204)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_every_mode_becomes_grey_or_rgb(tmp_path, image, suffix, rgb):
    path = tmp_path / f"image.{suffix}"
    image.save(path)
    colored = decoding.decode(path, AS_IT_IS, "rgb")
    assert colored.shape == (8, 8, 3)
    assert np.unique(colored.reshape(-1, 3), axis=0).tolist() == [list(rgb)]
    grey = decoding.decode(path, AS_IT_IS, "grey")
    assert grey.shape == (8, 8, 1)
    luma = np.dot(rgb, (0.299, 0.587, 0.114))
    assert np.unique(grey).tolist() == [pytest.approx(luma, abs=0.6)]


def test_transparent_color_of_a_palette_becomes_white(tmp_path):
    image = one_color("RGB", (10, 200, 30)).quantize(2)
    image.save(tmp_path / "image.png", transparency=image.getpixel((0, 0)))
    assert (decoding.decode(tmp_path / "image.png", AS_IT_IS, "rgb") == 255).all()


def test_single_pixel_fills_the_square(tmp_path):
    Image.new("RGB", (1, 1), (10, 200, 30)).save(tmp_path / "image.png")
    found = decoding.decode(tmp_path / "image.png", Geometry(256, 224, "bilinear"), "rgb")
    assert found.shape == (224, 224, 3)
    assert np.unique(found.reshape(-1, 3), axis=0).tolist() == [[10, 200, 30]]


def test_shrinking_does_not_alias(tmp_path):
    """A checkerboard finer than the result's pixels averages out instead of leaving a pattern."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "image.png")
    small = decoding.decode(tmp_path / "image.png", AS_IT_IS, "grey")
    assert np.abs(small.astype(int) - 127).max() <= 4


def assert_unusable(path, message, early):
    with pytest.raises(decoding.Unusable, match=message) as raised:
        decoding.decode(path, AS_IT_IS, "grey")
    assert "\n" not in str(raised.value)
    assert str(path) not in str(raised.value)
    if early:
        with pytest.raises(decoding.Unusable, match=message):
            decoding.check(path, AS_IT_IS)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_pixels_are_refused(tmp_path, mode):
    one_color(mode, 7).save(tmp_path / "image.tif")
    assert_unusable(tmp_path / "image.tif", "range of its 32-bit pixels", early=False)


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "tif", "webp"])
def test_truncated_image_is_refused(tmp_path, kind):
    path = tmp_path / f"broken.{kind}"
    Image.fromarray(make_pixels((64, 64))).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_unusable(path, "cannot be decoded|no image of a kind|truncated|damaged", early=False)


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "notes.png").write_bytes(b"not an image")
    assert_unusable(tmp_path / "notes.png", "no image of a kind that is read", early=True)


def test_an_empty_file_is_called_empty(tmp_path):
    (tmp_path / "notes.png").touch()
    assert_unusable(tmp_path / "notes.png", "^empty$", early=True)


def test_a_tiff_of_five_bands_is_called_that(tmp_path):
    path = tmp_path / "bands.tif"
    Image.fromarray(make_pixels((8, 8, 3))).save(path)
    # SamplesPerPixel, one SHORT: 3 becomes 5.
    tag = struct.pack("<HHIH", 277, 3, 1, 3)
    content = path.read_bytes()
    assert content.count(tag) == 1
    path.write_bytes(content.replace(tag, struct.pack("<HHIH", 277, 3, 1, 5)))
    assert_unusable(path, "a TIFF of 5 bands of 8 bits, which is not read", early=True)


def test_metadata_is_no_reason_to_refuse(tmp_path):
    pixels = make_pixels((16, 16, 3))
    text = PngInfo()
    text.add_text("comment", "x" * 2_000_000, zip=True)
    profile = np.random.default_rng(0).bytes(3_000_000)
    Image.fromarray(pixels).save(tmp_path / "image.png", pnginfo=text, icc_profile=profile)
    found = decoding.decode(tmp_path / "image.png", Geometry(16, 16, "bilinear"), "rgb")
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize(
    ("value_range", "expected"),
    [((0, 65535), [0, 0, 8, 15]), ((0, 4095), [0, 0, 128, 255]), ((16, 2064), [0, 0, 252, 255])],
)
def test_16_bit_grey_is_brought_to_8_bits_by_its_range(tmp_path, value_range, expected):
    values = np.array([[0, 15], [2048, 4095]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    loaded = decoding.load(tmp_path / "deep.png", Geometry(2, 2, "bilinear", value_range), "grey")
    assert loaded.pixels.ravel().tolist() == pytest.approx(expected, abs=1)
    assert loaded.highest == 4095


def test_16_bit_colour_keeps_its_upper_bits_and_has_no_range(tmp_path):
    # A PNG of two by one pixels; Pillow cannot write 16-bit colour.
    rows = b"\0" + struct.pack(">6H", 4095, 256, 0, 511, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        checksum = zlib.crc32(kind + data)
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
    (tmp_path / "deep.png").write_bytes(content)
    loaded = decoding.load(tmp_path / "deep.png", Geometry(1, 1, "bilinear"), "rgb")
    assert loaded.highest == 15 * 256 + 255
    with pytest.raises(decoding.Unusable, match="16-bit colour has no range"):
        decoding.load(tmp_path / "deep.png", Geometry(1, 1, "bilinear", (0, 4095)), "rgb")


def test_formats_that_start_other_programs_are_not_read(tmp_path):
    one_color("RGB", (10, 200, 30)).save(tmp_path / "image.eps")
    assert_unusable(tmp_path / "image.eps", "no image of a kind that is read", early=True)


def test_missing_file_is_refused_without_its_path(tmp_path):
    assert_unusable(tmp_path / "gone.png", "No such file", early=True)


def test_decompression_bomb_is_refused_by_its_head(tmp_path):
    """12,000 x 12,000 pixels in a file of a few kilobytes; Pillow alone would warn and decode."""
    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 50_000
    with decoding.without_warnings(), warnings.catch_warnings(record=True) as caught:
        assert_unusable(tmp_path / "bomb.png", "12000 x 12000 pixels, more than", early=True)
    assert caught == []


def test_what_grows_into_a_bomb_is_refused(tmp_path):
    """One pixel wide: with the shorter side at 256 it would take 1.3 billion pixels."""
    Image.new("L", (1, 20_000)).save(tmp_path / "thread.png")
    with pytest.raises(decoding.Unusable, match="256 x 5120000 pixels once it is resized"):
        decoding.check(tmp_path / "thread.png", Geometry(256, 224, "bilinear"))


def test_large_image_is_read(tmp_path):
    Image.new("L", (9_000, 6_000), 77).save(tmp_path / "large.png")
    assert decoding.LARGE_PIXELS < 9_000 * 6_000
    assert np.unique(decoding.decode(tmp_path / "large.png", AS_IT_IS, "grey")).tolist() == [77]


def test_results_keep_their_order_and_are_bounded(monkeypatch):
    monkeypatch.setattr(decoding, "LOOK_AHEAD", 3)
    started, lock = [], threading.Lock()

    def work(item):
        with lock:
            started.append(item)
        return item * item

    results = decoding.in_order(work, range(50))
    for taken in range(50):
        assert next(results) == taken * taken
        assert len(started) <= taken + 3
    assert list(results) == []
