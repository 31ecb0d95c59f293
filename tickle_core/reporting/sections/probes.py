"""The section on linear probes."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting import plots
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.plots import Series
from tickle_core.reporting.sections.section import Headline, Section
from tickle_core.reporting.style import CONTROL, INK, MEASURED, NULL, SEQUENTIAL, WIDTH, short
from tickle_core.reporting.tables import Column, Table, number, share

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
        "probe accuracy minus the mean accuracy on control tasks with random labels of clusters",
        "the same difference where the labels of both were shuffled",
        3,
    ),
}


def section(findings: Findings) -> Section:
    """Accuracy per layer, kind of token, position and class, each against chance."""
    names = findings.class_names
    layers = findings.metrics["probes"]
    headline = layers[findings.headline_layer]
    judged = headline["images"]["judged"] > 0
    classes = _of_patches(findings.probe_classes[findings.headline_layer])
    confusion = _of_patches(findings.confusion[findings.headline_layer])
    figures = {}
    if judged:
        figures["probes_accuracy"] = accuracy_figure(layers)
        figures["probes_positions"] = position_figure(layers, findings.probe_positions)
        if len(classes) <= MOST_CONFUSION_CLASSES:
            figures["probes_confusion"] = confusion_figure(confusion, classes, names)
    return Section(
        name="probes",
        title="Linear probes",
        summary=_summary(headline["pooled"]["patch"]),
        headlines=HEADLINES,
        settings=findings.settings.probes.model_dump(),
        figures=figures,
        tables={
            "probes": layer_table(layers),
            "probes_classes": class_table(classes, names),
            "probes_confused": confused_table(confusion, classes, names),
        },
        facts={
            "headline": headline["pooled"]["patch"],
            "images": headline["images"],
            "judged": judged,
            "kinds": sorted({kind for layer in layers.values() for kind in layer["pooled"]}),
            "converged": all(
                probe["converged"]
                for layer in layers.values()
                for probe in layer["pooled"].values()
            ),
        },
    )


def _summary(probe: dict[str, Any]) -> str:
    if probe["accuracy"]["value"] is None:
        return ""
    return (
        f"A linear probe reads the class of {share(probe['accuracy'])} of the images from it, and "
        f"a random class of images that look alike of {share(probe['control'])}; after training on "
        f"shuffled labels it is right for {share(probe['accuracy']['null'])}."
    )


def layer_table(layers: dict[str, Any]) -> Table:
    """One row per layer and kind of token."""
    columns = (
        Column("layer", "Layer"),
        Column("kind", "Tokens"),
        Column("accuracy", "Accuracy", 3, interval=True),
        Column("majority", "Majority class", 3),
        Column("shuffled", "Shuffled labels", 3, interval=True),
        Column("control", "Control tasks", 3, interval=True),
        Column("draws", "Their draws"),
        Column("selectivity", "Selectivity", 3, interval=True),
        Column("selectivity_null", "Its null", 3, interval=True),
        Column("best_position", "Best position", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "kind": kind,
            "accuracy": probe["accuracy"],
            "majority": probe["majority"]["value"],
            "shuffled": probe["accuracy"].get("null"),
            "control": probe["control"],
            "draws": _draws(probe["control"]),
            "selectivity": probe["selectivity"],
            "selectivity_null": probe["selectivity"].get("null"),
            "best_position": layer["position"]["best"] if kind == "patch" else None,
            "n": probe["accuracy"]["n"],
        }
        for alias, layer in layers.items()
        for kind, probe in _by_kind(layer)
    ]
    return Table(columns, rows)


def class_table(classes: pd.DataFrame, names: tuple[str, ...]) -> Table:
    """One row per class, of one layer."""
    columns = (
        Column("class", "Class"),
        Column("accuracy", "Accuracy", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "class": names[each.label],
            "accuracy": {"value": each.value, "interval": [each.low, each.high]}
            if each.n
            else None,
            "n": int(each.n),
        }
        for each in classes.itertuples()
    ]
    return Table(columns, rows)


def confused_table(confusion: pd.DataFrame, classes: pd.DataFrame, names: tuple[str, ...]) -> Table:
    """The classes that are most often taken for another one, of one layer."""
    columns = (
        Column("true", "True class"),
        Column("predicted", "Read as"),
        Column("images", "Images", 0),
        Column("n", "of", 0),
    )
    errors = confusion[confusion["true"] != confusion["predicted"]]
    worst = errors.sort_values("images", ascending=False, kind="stable")[:CONFUSED_PAIRS]
    totals = classes.set_index("label")["n"]
    rows = [
        {
            "true": names[each.true],
            "predicted": names[each.predicted],
            "images": int(each.images),
            "n": int(totals[each.true]),
        }
        for each in worst.itertuples()
    ]
    return Table(columns, rows)


def accuracy_figure(layers: dict[str, Any]) -> Figure:
    """Accuracy of each layer and kind of token beside the control tasks and what chance gives."""
    probes = {
        alias if kind == "patch" else f"{alias}, {kind}": probe
        for alias, layer in layers.items()
        for kind, probe in _by_kind(layer)
    }
    figure, [axes] = plots.forest_figure(len(probes))
    series = [
        Series("class", [each["accuracy"] for each in probes.values()], MEASURED),
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
    accuracies = {alias: _of_patches(positions[alias])["value"].to_numpy() for alias in layers}
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


def _by_kind(layer: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The pooled probes of a layer, that of patches first."""
    return sorted(layer["pooled"].items(), key=lambda item: item[0] != "patch")


def _of_patches(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["kind"] == "patch"]


def _draws(control: dict[str, Any]) -> str:
    """How many control tasks there were, and from where to where their accuracies lie."""
    if control["value"] is None:
        return ""
    low, high = (number(end, 3) for end in control["range"])
    return f"{control['draws']}: {low} to {high}".replace(" ", "\N{NO-BREAK SPACE}")


def _write_cells(axes, values: np.ndarray, lowest: float, highest: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        # The upper part of the scale is light.
        ink = INK if value > lowest + 0.65 * (highest - lowest) else "white"
        text = f"{100 * value:.0f}"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=7)


def _ticks(length: int) -> range:
    return range(0, length, max(1, -(-length // 8)))
