"""The figure of the section on fractures."""

import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL, short

MOST_PANELS = 6
MARKERS = {"class": "o", "concept": "s", "latent": "."}


def cut_figure(units: dict[str, pd.DataFrame]) -> Figure:
    """Conductance of each unit against that of Gaussians of the same covariance, per layer."""
    aliases = list(units)
    aliases = [aliases[i] for i in plots.evenly(len(aliases), MOST_PANELS)]
    figure, panels = plots.panels(len(aliases), 3, 2.6, sharex=True, sharey=True)
    for axes, alias in zip(panels, aliases, strict=True):
        for kind, marker in MARKERS.items():
            own = units[alias][units[alias]["kind"] == kind]
            colors = [CONTROL if split else MEASURED for split in own["split"]]
            axes.scatter(own["flat"], own["conductance"], c=colors, s=22, marker=marker, label=kind)
        axes.axline((0, 0), slope=1, color=NULL, linewidth=0.8)
        axes.set_title(short(alias))
    # Of all of them, once everything is drawn.
    panels[0].set_xlim(left=0)
    panels[0].set_ylim(bottom=-0.005)
    figure.supxlabel("conductance of a Gaussian of the same covariance", size=9)
    figure.supylabel("conductance", size=9)
    plots.legend_above(figure, [panels[0]])
    return figure
