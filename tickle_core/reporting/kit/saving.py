"""Saving figures: the same bytes for the same figure, and all cores at work."""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from tickle_core.lifeline import die_with_dvc
from tickle_core.reporting.kit.style import fixed_style

# What would differ between two runs or two versions is left out.
METADATA = {
    "svg": {"Creator": None, "Date": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save_figures(figures: Mapping[str, Figure], folder: Path) -> None:
    """Save each figure as <name>.svg and <name>.pdf.

    Layout and fonts take about half a second per figure, so that on Linux every core takes a part
    of them. The parts are copies of this process, since figures are slow to hand over; elsewhere
    a copied process may hang, and one does all.

    Raises
    ------
    RuntimeError
        If one of the processes failed; it has said why.
    """
    names = list(figures)
    cores = os.cpu_count() or 1 if sys.platform == "linux" else 1
    if cores == 1:
        _save(figures, names, folder)
        return
    copies = multiprocessing.get_context("fork")
    parts = [
        copies.Process(target=_save_part, args=(figures, names[first::cores], folder))
        for first in range(min(cores, len(names)))
    ]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    if any(part.exitcode for part in parts):
        raise RuntimeError("saving figures failed")


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Save one figure, as SVG first, which lays it out for both.

    Draw the figure within `fixed_style`, as text takes its style when it is made.
    """
    with fixed_style():
        for kind, metadata in METADATA.items():
            figure.savefig(folder / f"{name}.{kind}", metadata=metadata)
            figure.set_layout_engine("none")


def _save_part(figures: Mapping[str, Figure], names: list[str], folder: Path) -> None:
    die_with_dvc()
    _save(figures, names, folder)


def _save(figures: Mapping[str, Figure], names: list[str], folder: Path) -> None:
    for name in names:
        save_figure(figures[name], folder, name)
