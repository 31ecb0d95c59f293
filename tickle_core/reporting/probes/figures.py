"""Figures of the section on linear probes."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, INK, MEASURED, NULL, SEQUENTIAL, WIDTH, short
from tickle_core.reporting.probes.tables import by_kind, of_patches

MAPS_PER_ROW = 3
MOST_WRITTEN_CELLS = 8  # along a side of a map; more numbers are too small to read


def accuracy_figure(layers: dict[str, Any]) -> Figure:
    """Accuracy of each layer and kind of token beside the control tasks and what chance gives."""
    probes = {
        alias if kind == "patch" else f"{alias}, {kind}": probe
        for alias, layer in layers.items()
        for kind, probe in by_kind(layer)
    }
    figure, [axes] = plots.forest_figure(len(probes))
    series = [
        Series("class", [each["accuracy"] for each in probes.values()], MEASURED),
        Series(
            "class, untrained network",
            [each["untrained"]["accuracy"] for each in probes.values()],
            CONTROL,
            "^",
        ),
        Series("control tasks", [each["control"] for each in probes.values()], CONTROL, "s"),
        Series(
            "shuffled labels (mean, range)",
            [each["accuracy"]["null"] for each in probes.values()],
            NULL,
            "D",
        ),
    ]
    plots.forest(axes, list(probes), series)
    majority = next(iter(probes.values()))["majority"]["value"]
    axes.axvline(majority, color=NULL, linestyle="--", linewidth=1, label="majority class")
    axes.set_xlim(0, 1)
    axes.set_xlabel("accuracy on held-out images")
    plots.legend_above(figure, [axes])
    return figure


def position_figure(layers: dict[str, Any], positions: dict[str, pd.DataFrame]) -> Figure:
    """Accuracy at each patch of each layer, on one colour scale that starts at chance."""
    lowest = min(layer["position"]["best"]["null"]["value"] for layer in layers.values())
    accuracies = {alias: of_patches(positions[alias])["value"].to_numpy() for alias in layers}
    highest = max(values.max() for values in accuracies.values())
    figure, panels = plots.panels(len(layers), MAPS_PER_ROW, 2.3)
    for axes, (alias, layer) in zip(panels, layers.items(), strict=True):
        # Positions that form no grid are drawn as a row.
        grid = layer["position"]["grid"]
        shape = grid or [1, len(accuracies[alias])]
        values = accuracies[alias].reshape(shape)
        image = axes.imshow(
            values,
            cmap=SEQUENTIAL,
            vmin=lowest,
            vmax=max(highest, lowest + 1e-3),
            aspect="equal" if grid else "auto",
        )
        if max(shape) <= MOST_WRITTEN_CELLS:
            _write_cells(axes, values, lowest, highest)
        axes.set_title(f"{short(alias)}: {values.min():.3f} to {values.max():.3f}")
        axes.set_xticks(_ticks(shape[1]))
        axes.set_yticks(_ticks(shape[0]))
        axes.grid(visible=False)
        axes.tick_params(length=0)
    panels[0].set_ylabel("row")
    panels[0].set_xlabel("column")
    # Beside the first row only: beside thirty maps the scale would be as high as the page.
    figure.colorbar(image, ax=panels[:MAPS_PER_ROW], label="accuracy, from chance", shrink=0.9)
    return figure


def confusion_figure(
    confusion: pd.DataFrame, classes: pd.DataFrame, names: tuple[str, ...]
) -> Figure:
    """How often each class is read as each: row shares, in percent."""
    places = {label: place for place, label in enumerate(classes["label"])}
    counts = np.zeros((len(places), len(places)))
    cells = (confusion[column].map(places) for column in ("true", "predicted"))
    counts[tuple(cells)] = confusion["images"]
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    labels = [short(names[label]) for label in classes["label"]]
    side = 1.6 + 0.34 * len(labels)
    figure = Figure(figsize=(min(side + 0.3, WIDTH), min(side, WIDTH - 0.3)))
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = min(7.0, 110 / len(labels))
    for (row, column), part in np.ndenumerate(shares):
        if round(100 * part) > 0:
            ink = "white" if part > 0.55 else INK
            text = f"{100 * part:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=size)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("read as")
    axes.set_ylabel("true class")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _write_cells(axes: Axes, values: np.ndarray, lowest: float, highest: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        # The upper part of the scale is light.
        ink = INK if value > lowest + 0.65 * (highest - lowest) else "white"
        text = f"{100 * value:.0f}"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=7)


def _ticks(length: int) -> range:
    return range(0, length, max(1, -(-length // 8)))
