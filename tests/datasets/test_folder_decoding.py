import numpy as np
import pytest
from PIL import Image

from tickle_core.datasets import folder
from tickle_core.errors import TickleError

EXIF_ORIENTATION = 0x0112


def make_pixels(shape=(8, 8)):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


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
        np.testing.assert_array_equal(folder.decode(path, 8, "grey")[..., 0], upright)


def one_color(mode, value):
    return Image.new(mode, (8, 8), value)


@pytest.mark.parametrize(
    ("image", "suffix", "rgb"),
    [
        (one_color("L", 77), "png", (77, 77, 77)),
        (one_color("1", 1), "png", (255, 255, 255)),
        (one_color("RGB", (10, 200, 30)), "png", (10, 200, 30)),
        (one_color("RGB", (10, 200, 30)).quantize(2), "gif", (10, 200, 30)),
        (one_color("CMYK", (0, 255, 255, 0)), "tif", (255, 0, 0)),
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
    colored = folder.decode(path, 8, "rgb")
    assert colored.shape == (8, 8, 3)
    assert np.unique(colored.reshape(-1, 3), axis=0).tolist() == [list(rgb)]
    grey = folder.decode(path, 8, "grey")
    assert grey.shape == (8, 8, 1)
    luma = np.dot(rgb, (0.299, 0.587, 0.114))
    assert np.unique(grey).tolist() == [pytest.approx(luma, abs=0.6)]


def test_transparent_color_of_a_palette_becomes_white(tmp_path):
    image = one_color("RGB", (10, 200, 30)).quantize(2)
    image.save(tmp_path / "image.png", transparency=image.getpixel((0, 0)))
    assert (folder.decode(tmp_path / "image.png", 8, "rgb") == 255).all()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_pixels_are_refused(tmp_path, mode):
    one_color(mode, 7).save(tmp_path / "image.tif")
    with pytest.raises(TickleError, match=r"image.tif .*range of its 32-bit pixels"):
        folder.decode(tmp_path / "image.tif", 8, "grey")


@pytest.mark.parametrize("shape", [(8, 14), (14, 8), (9, 8), (8, 9)])
def test_crop_is_central(tmp_path, shape):
    pixels = make_pixels(shape)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    top, left = (shape[0] - 8) // 2, (shape[1] - 8) // 2
    np.testing.assert_array_equal(
        folder.decode(tmp_path / "image.png", 8, "grey")[..., 0],
        pixels[top : top + 8, left : left + 8],
    )


def test_shrinking_does_not_alias(tmp_path):
    """A checkerboard finer than the result's pixels averages out instead of leaving a pattern."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "image.png")
    small = folder.decode(tmp_path / "image.png", 8, "grey")
    assert np.abs(small.astype(int) - 127).max() <= 4


def test_formats_that_start_other_programs_are_not_read(tmp_path):
    one_color("RGB", (10, 200, 30)).save(tmp_path / "image.eps")
    with pytest.raises(TickleError, match=r"cannot identify .*image.eps"):
        folder.decode(tmp_path / "image.eps", 8, "rgb")
