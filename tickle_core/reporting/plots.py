"""Kinds of plot that several sections share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tickle_core.reporting.style import WIDTH, short

ROW_INCHES = 0.36
SERIES_APART = 0.22  # of the distance between rows


@dataclass(frozen=True)
class Series:
    """One number per row of a forest plot, each with an interval or without.

    Attributes
    ----------
    label
        For the legend.
    numbers
        `{"value": ..., "interval": [low, high]}`, the interval optional; None is left out.
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
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def forest_figure(rows: int, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of forest plots side by side, high enough for their rows and a legend."""
    return panels(columns, columns, 1.0 + ROW_INCHES * rows, sharey=True)


def forest(axes: Axes, rows: Sequence[str], series: Sequence[Series]) -> None:
    """Points with intervals, one row per name from top to bottom.

    The series of a row lie a little apart, so that intervals do not cover each other.
    """
    offsets = SERIES_APART * (np.arange(len(series)) - (len(series) - 1) / 2)
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
            if number.get("interval"):
                axes.plot(number["interval"], [height, height], color=each.color, linewidth=1.5)
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


def legend_above(figure: Figure, axes: Axes) -> None:
    """One legend for the figure, from the labels of one of its axes."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(handles), borderpad=0)
