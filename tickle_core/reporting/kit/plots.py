"""Kinds of plot that several sections share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tickle_core.reporting.kit.style import WIDTH, short

ROW_INCHES = 0.36
SERIES_APART = 0.22  # of the distance between rows, at most
SERIES_SPAN = 0.8  # of the distance between rows, that all series of a row take at most
LEGEND_COLUMNS = 4
LONG = 27  # characters


@dataclass(frozen=True)
class Series:
    """One number per row of a forest plot, each with an interval or without.

    Attributes
    ----------
    label
        For the legend.
    numbers
        Estimates, with an interval or without, or what draws came to, with a range; None is left
        out.
    color, marker
        Of matplotlib.
    filled
        Whether each row's marker is filled; all of them if None.
    """

    label: str
    numbers: Sequence[dict[str, Any] | None]
    color: str
    marker: str = "o"
    filled: Sequence[bool] | None = None


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of the places 0 .. count - 1, evenly spaced, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()


def panels(count: int, columns: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` equal panels, row by row, `height` inches each."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, rows * height))
    axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for place in range(count, len(axes)):
        axes[place].remove()
        # Shared axes are labelled in the last row only, which ends here one row earlier.
        axes[place - columns].tick_params(labelbottom=True)
    return figure, axes[:count]


def forest_figure(
    rows: int, columns: int = 1, row_inches: float = ROW_INCHES
) -> tuple[Figure, list[Axes]]:
    """A figure of forest plots side by side, high enough for their rows and a legend."""
    return panels(columns, columns, 1.0 + row_inches * rows, sharey=True)


def forest(axes: Axes, rows: Sequence[str], series: Sequence[Series]) -> None:
    """Points with intervals, one row per name from top to bottom.

    The series of a row lie a little apart, so that intervals do not cover each other.
    """
    apart = min(SERIES_APART, SERIES_SPAN / len(series))
    offsets = apart * (np.arange(len(series)) - (len(series) - 1) / 2)
    for each, offset in zip(series, offsets, strict=True):
        points = [
            (row, number)
            for row, number in enumerate(each.numbers)
            if number is not None and number["value"] is not None
        ]
        x = [number["value"] for _, number in points]
        y = [row + offset for row, _ in points]
        filled = each.filled or [True] * len(rows)
        faces = [each.color if filled[row] else "white" for row, _ in points]
        for (_, number), height in zip(points, y, strict=True):
            ends = number.get("interval") or number.get("range")
            if ends:
                axes.plot(ends, [height, height], color=each.color, linewidth=1.5)
        # A bar has no inside that could be filled.
        edges = None if each.marker == "|" else each.color
        axes.scatter(
            x,
            y,
            s=26,
            c=faces,
            edgecolors=edges,
            marker=each.marker,
            label=each.label,
            zorder=3,
            clip_on=False,  # on the frame a point would lose half of itself
        )
    axes.set_yticks(range(len(rows)), [short(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    # A faint line between rows, which ticks at their middle do not give.
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(axis="y", which="minor")


def legend_above(figure: Figure, all_axes: Sequence[Axes]) -> None:
    """One legend for the figure, with each label that some of the axes have once."""
    handles: dict[str, Any] = {}
    for axes in all_axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside upper left",
        # Long labels would leave the figure.
        ncols=min(len(handles), LEGEND_COLUMNS - any(len(label) > LONG for label in handles)),
        borderpad=0,
    )


def plain_number(value: float, _: float) -> str:
    """Tick labels of logarithmic axes, without exponents."""
    return f"{value:g}"
