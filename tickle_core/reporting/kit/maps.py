"""Heat maps in figures: of classes, positions and units."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from tickle_core.reporting.kit.style import INK, short
from tickle_core.reporting.kit.tables import number

DIVERGING = "RdBu"  # blue supports, red opposes, white does nothing
MOST_TICKS = 12  # along a side of a map
WRITTEN_SIZE = 6.0  # points
LIGHT = 0.6  # of the luminance; on what is lighter, dark ink is read better


def draw(
    axes: Axes, values: np.ndarray, cmap: str, limits: tuple[float, float], square: bool = True
) -> AxesImage:
    """Draw values (rows, columns) as colours; what is NaN stays empty."""
    image = axes.imshow(
        values,
        cmap=cmap,
        vmin=limits[0],
        vmax=limits[1],
        aspect="equal" if square else "auto",
        interpolation="nearest",
    )
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def write_cells(axes: Axes, image: AxesImage, scale: float, digits: int) -> None:
    """Write `scale` times its value into each cell that has one, in ink that is read on it."""
    values: np.ma.MaskedArray = np.ma.asarray(image.get_array())
    for (row, column), value in np.ndenumerate(values.filled(np.nan)):
        if np.isnan(value):
            continue
        red, green, blue, _ = image.cmap(image.norm(value))
        ink = INK if 0.3 * red + 0.6 * green + 0.1 * blue > LIGHT else "white"
        text = number(scale * float(value), digits)
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=WRITTEN_SIZE)


def ticks(count: int, most: int = MOST_TICKS) -> range:
    """Places to be labelled, evenly apart."""
    return range(0, count, max(1, -(-count // most)))


def name_columns(axes: Axes, names: list[str]) -> None:
    """Names below the columns, as many as there is room for."""
    places = ticks(len(names))
    labels = [short(names[place]) for place in places]
    axes.set_xticks(places, labels, rotation=45, ha="right", rotation_mode="anchor")
