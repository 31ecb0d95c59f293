"""Figures of the section on attacks."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.attack.words import NORMS
from tickle_core.reporting.kit import maps, plots
from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL, SEQUENTIAL

LINES = (("pgd", "PGD", MEASURED, "o"), ("fgsm", "FGSM", CONTROL, "s"))


def success_figure(norms: dict[str, dict[str, Any]]) -> Figure:
    """Success against the radius, beside noise of the same size, a panel per norm."""
    used = {norm: radii for norm, radii in norms.items() if radii}
    figure, panels = plots.panels(len(used), 2, 2.5, sharey=True)
    for axes, (norm, radii) in zip(panels, used.items(), strict=True):
        places = np.arange(len(radii))
        for key, label, color, marker in LINES:
            _line(axes, places, [each[key] for each in radii.values()], label, color, marker)
        null = [each["pgd"]["null"] for each in radii.values()]
        _line(axes, places, null, "noise", NULL, "D")
        axes.set_xticks(places, list(radii))
        axes.set_title(NORMS[norm])
        axes.set_ylim(-0.02, 1.02)
    figure.supxlabel("radius", size=9)
    figure.supylabel("share of images that fall", size=9)
    plots.legend_above(figure, panels[:1])
    return figure


def _line(axes: Any, places: Any, numbers: list[Any], label: str, color: str, marker: str) -> None:
    told = [
        (place, each)
        for place, each in zip(places, numbers, strict=True)
        if each is not None and each["value"] is not None
    ]
    if not told:
        return
    at = [place for place, _ in told]
    axes.plot(at, [each["value"] for _, each in told], color=color, marker=marker, label=label)
    low, high = zip(*(each["interval"] for _, each in told), strict=True)
    axes.fill_between(at, low, high, color=color, alpha=0.2, lw=0)


def flip_figure(flips: pd.DataFrame, names: list[str]) -> Figure:
    """How often each class became each other one, of those that appear."""
    used = sorted({*flips["own"], *flips["became"]})
    place = {each: number for number, each in enumerate(used)}
    counts = np.full((len(used), len(used)), np.nan)
    for row in flips.itertuples():
        counts[place[row.own], place[row.became]] = row.count
    figure, [axes] = plots.panels(1, 1, min(6.0, 1.6 + 0.3 * len(used)))
    image = maps.draw(axes, counts, SEQUENTIAL, (0, np.nanmax(counts)))
    if len(used) <= maps.MOST_TICKS:
        maps.write_cells(axes, image, 1, 0)
    labels = [names[each] for each in used]
    maps.name_columns(axes, labels)
    ticks = maps.ticks(len(labels))
    axes.set_yticks(ticks, [labels[each] for each in ticks])
    axes.set_xlabel("became")
    axes.set_ylabel("class")
    figure.colorbar(image, ax=axes, label="images", shrink=0.9)
    return figure
