"""What a section of the report consists of."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.tables import Table


@dataclass(frozen=True)
class Headline:
    """One of the headline numbers, in words.

    Attributes
    ----------
    title
        Its name for people.
    meaning
        What the number says.
    null
        What its null is; empty where it has none.
    digits
        After the decimal point.
    """

    title: str
    meaning: str
    null: str
    digits: int


@dataclass(frozen=True)
class Section:
    """An analysis on the page: `templates/<name>.html.jinja`, and what it refers to.

    Attributes
    ----------
    name
        Of the template, and of the anchor.
    title
        Its heading.
    summary
        What was found, in one sentence of plain words.
    headlines
        By the keys of `summary.headline` that belong to the section.
    settings
        Its section of params.yaml.
    figures, tables
        By file name; written to reports/figures and reports/tables. The template places those
        that the page shows.
    curves
        By file name; written to reports/plots for `dvc plots`, which draws them beside those of
        other revisions. Columns: layer, line, and those that dvc.yaml names as x and y.
    facts
        Further values for the template.
    """

    name: str
    title: str
    summary: str
    headlines: dict[str, Headline]
    settings: dict[str, Any]
    figures: dict[str, Figure]
    tables: dict[str, Table]
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
