"""Where the mark of a patch lies."""

import numpy as np

from tickle_core.reporting.kit.thumbs import mark


def test_the_mark_covers_the_pixels_of_the_patch():
    image = np.arange(28 * 28).reshape(28, 28)
    position = 9  # row 2, column 1 of a 4 x 4 grid: patches of 7 x 7 pixels
    x, y, width, height = map(int, mark(position, (4, 4), (28, 28)))
    patches = image.reshape(4, 7, 4, 7).swapaxes(1, 2).reshape(16, 7, 7)
    assert np.array_equal(image[y : y + height, x : x + width], patches[position])


def test_the_mark_of_a_grid_that_is_not_square():
    assert mark(5, (2, 3), (20, 60)) == (40, 10, 20, 10)


def test_a_single_position_is_the_whole_image_and_no_grid_has_no_mark():
    assert mark(0, (1, 1), (8, 6)) == (0, 0, 6, 8)
    assert mark(3, None, (8, 6)) is None
