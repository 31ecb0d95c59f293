"""The report: one HTML page that needs nothing beside it, its figures, its tables, its curves."""

import base64
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tickle_core.reporting import headlines
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit import tables
from tickle_core.reporting.kit.saving import save_figures
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.shown import shown
from tickle_core.reporting.kit.style import fixed_style
from tickle_core.reporting.latents import section as latents
from tickle_core.reporting.site import overview
from tickle_core.reporting.site.sections import SECTIONS

METHODS = "../docs/methods.md"  # from the page: what each number is


def write(context: Context, page: Path, figures: Path, tables_folder: Path, curves: Path) -> None:
    """Write the page, each figure as SVG and PDF, each table as CSV and LaTeX, curves as CSV.

    Parameters
    ----------
    page
        The HTML file to write.
    figures, tables_folder, curves
        Existing folders.

    Raises
    ------
    TickleError
        If something that another stage makes is missing; it is named.
    """
    with fixed_style():
        sections = [make(context) for make in SECTIONS]
    save_figures({name: each for made in sections for name, each in made.figures.items()}, figures)
    sections.append(latents.section(context, sections))
    found = headlines.read(context.metrics, context.headline_layer)
    all_tables = {"headline": overview.headline_table(found)}
    for section in sections:
        all_tables |= section.tables
        for name, curve in section.curves.items():
            path = curves / f"{name}.csv"
            curve.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    for name, table in all_tables.items():
        tables.write(table, tables_folder, name)
    drawn = {
        name: _svg_uri(figures / f"{name}.svg") for section in sections for name in section.figures
    }
    missing = overview.missing(found)
    html = render(context, sections, all_tables, drawn, missing)
    page.write_text(html, encoding="utf-8", newline="\n")


def render(
    context: Context,
    sections: Sequence[Section],
    all_tables: dict[str, tables.Table],
    figures: dict[str, str],
    missing: list[str],
) -> str:
    """The page as text; `figures` holds a data URI by name, `missing` sentences."""
    environment = Environment(
        loader=PackageLoader("tickle_core.reporting", package_path=""),
        autoescape=True,  # names of classes, files and layers come from data
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": tables.number,
        "percent": tables.percent,
        "estimate": tables.estimate,
        "share": tables.share,
    }
    return environment.get_template("site/page.html.jinja").render(
        context=context,
        methods=METHODS,
        overview=overview.overview(context),
        missing=missing,
        sections=sections,
        tables=all_tables,
        figures=figures,
        images=shown(context.images, {image for each in sections for image in each.image_ids}),
        pictures={key: uri for each in sections for key, uri in each.pictures.items()},
    )


def _svg_uri(path: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
