"""The section on linear probes."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tickle_core.reporting import plots
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.plots import Series
from tickle_core.reporting.sections.section import Headline, Section
from tickle_core.reporting.style import CONTROL, INK, MEASURED, NULL, SEQUENTIAL, WIDTH, short
from tickle_core.reporting.tables import Column, Table, percent

MOST_CONFUSION_CLASSES = 30
CONFUSED_PAIRS = 5
MAPS_PER_ROW = 3
MOST_WRITTEN_CELLS = 8  # along a side of a map; more numbers are too small to read

HEADLINES = {
    "probe_accuracy": Headline(
        "Probe accuracy",
        "share of held-out images whose class a linear probe reads from the pooled layer",
        "mean accuracy after training on shuffled labels",
        3,
    ),
    "probe_chance": Headline(
        "Probe chance", "the same share for always guessing the most frequent class", "", 3
    ),
    "probe_selectivity": Headline(
        "Probe selectivity",
        "probe accuracy minus the accuracy on a control task with random labels",
        "a layer that merely lets anything be learned",
        3,
    ),
}


def section(findings: Findings) -> Section:
    """Accuracy per layer, per position and per class, each against chance."""
    names = findings.class_names
    layers = findings.metrics["probes"]
    headline = layers[findings.headline_layer]["pooled"]
    figures = {
        "probes_accuracy": accuracy_figure(layers),
        "probes_positions": position_figure(layers),
    }
    if len(headline["classes"]) <= MOST_CONFUSION_CLASSES:
        figures["probes_confusion"] = confusion_figure(headline, names)
    return Section(
        name="probes",
        title="Linear probes",
        summary=(
            f"A linear probe reads the class of {percent(headline['accuracy']['value'])} of the "
            "images from it, where training on shuffled labels gives "
            f"{percent(headline['chance']['shuffled']['mean'])}."
        ),
        headlines=HEADLINES,
        settings=findings.settings.probes.model_dump(),
        figures=figures,
        tables={
            "probes": layer_table(layers),
            "probes_classes": class_table(headline, names),
            "probes_confused": confused_table(headline, names),
        },
        facts={
            "headline": headline,
            "converged": all(layer["pooled"]["converged"] for layer in layers.values()),
        },
    )


def layer_table(layers: dict[str, Any]) -> Table:
    """One row per layer."""
    columns = (
        Column("layer", "Layer"),
        Column("accuracy", "Accuracy", 3, interval=True),
        Column("majority", "Majority class", 3),
        Column("shuffled", "Shuffled labels (mean, range)", 3, interval=True),
        Column("control", "Control task", 3, interval=True),
        Column("selectivity", "Selectivity", 3, interval=True),
        Column("best_position", "Best position", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "accuracy": layer["pooled"]["accuracy"],
            "majority": layer["pooled"]["chance"]["majority"]["value"],
            "shuffled": _shuffled(layer["pooled"]),
            "control": layer["pooled"]["control"],
            "selectivity": layer["pooled"]["selectivity"],
            "best_position": _best_position(layer["position"]),
            "n": layer["pooled"]["accuracy"]["n"],
        }
        for alias, layer in layers.items()
    ]
    return Table(columns, rows)


def class_table(pooled: dict[str, Any], names: tuple[str, ...]) -> Table:
    """One row per class, of one layer."""
    columns = (
        Column("class", "Class"),
        Column("accuracy", "Accuracy", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {"class": names[entry["label"]], "accuracy": entry, "n": entry["n"]}
        for entry in pooled["classes"]
    ]
    return Table(columns, rows)


def confused_table(pooled: dict[str, Any], names: tuple[str, ...]) -> Table:
    """The classes that are most often taken for another one, of one layer."""
    counts = np.array(pooled["confusion"])
    errors = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    order = np.argsort(-errors, axis=None, kind="stable")[:CONFUSED_PAIRS]
    labels = [entry["label"] for entry in pooled["classes"]]
    columns = (
        Column("true", "True class"),
        Column("predicted", "Read as"),
        Column("images", "Images", 0),
        Column("n", "of", 0),
    )
    rows = [
        {
            "true": names[labels[true]],
            "predicted": names[labels[predicted]],
            "images": int(errors[true, predicted]),
            "n": int(counts[true].sum()),
        }
        for true, predicted in zip(*np.unravel_index(order, errors.shape), strict=True)
        if errors[true, predicted] > 0
    ]
    return Table(columns, rows)


def accuracy_figure(layers: dict[str, Any]) -> Figure:
    """Accuracy of each layer beside the control task and what chance gives."""
    pooled = [layer["pooled"] for layer in layers.values()]
    figure, [axes] = plots.forest_figure(len(layers))
    series = [
        Series("class", [each["accuracy"] for each in pooled], MEASURED),
        Series("control task", [each["control"] for each in pooled], CONTROL, "s"),
        Series("shuffled labels (mean, range)", [_shuffled(each) for each in pooled], NULL, "D"),
    ]
    plots.forest(axes, list(layers), series)
    majority = pooled[0]["chance"]["majority"]["value"]
    axes.axvline(majority, color=NULL, linestyle="--", linewidth=1, label="majority class")
    axes.set_xlim(0, 1)
    axes.set_xlabel("accuracy on held-out images")
    plots.legend_above(figure, [axes])
    return figure


def position_figure(layers: dict[str, Any]) -> Figure:
    """Accuracy at each position of each layer, on one colour scale that starts at chance."""
    probes = [layer["position"] for layer in layers.values()]
    lowest = min(probe["chance"]["value"] for probe in probes)
    highest = max(max(probe["accuracy"]) for probe in probes)
    figure, panels = plots.panels(len(layers), MAPS_PER_ROW, 2.3)
    for axes, alias, probe in zip(panels, layers, probes, strict=True):
        # Positions that form no grid are drawn as a row.
        shape = probe["grid"] or [1, len(probe["accuracy"])]
        values = np.reshape(probe["accuracy"], shape)
        image = axes.imshow(
            values,
            cmap=SEQUENTIAL,
            vmin=lowest,
            vmax=max(highest, lowest + 1e-3),
            aspect="equal" if probe["grid"] else "auto",
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


def confusion_figure(pooled: dict[str, Any], names: tuple[str, ...]) -> Figure:
    """How often each class is read as each: row shares, in percent."""
    counts = np.array(pooled["confusion"], dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    labels = [short(names[entry["label"]]) for entry in pooled["classes"]]
    side = 1.6 + 0.34 * len(labels)
    figure = Figure(figsize=(min(side + 0.3, WIDTH), min(side, WIDTH - 0.3)))
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = min(7.0, 110 / len(labels))
    for (row, column), share in np.ndenumerate(shares):
        if round(100 * share) > 0:
            ink = "white" if share > 0.55 else INK
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=size)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("read as")
    axes.set_ylabel("true class")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _shuffled(pooled: dict[str, Any]) -> dict[str, Any]:
    shuffled = pooled["chance"]["shuffled"]
    ends = [min(shuffled["values"]), max(shuffled["values"])]
    return {"value": shuffled["mean"], "interval": ends}


def _best_position(probe: dict[str, Any]) -> dict[str, Any]:
    best = int(np.argmax(probe["accuracy"]))
    return {"value": probe["accuracy"][best], "interval": probe["interval"][best]}


def _write_cells(axes, values: np.ndarray, lowest: float, highest: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        # The upper part of the scale is light.
        ink = INK if value > lowest + 0.65 * (highest - lowest) else "white"
        text = f"{100 * value:.0f}"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=7)


def _ticks(length: int) -> range:
    return range(0, length, max(1, -(-length // 8)))
