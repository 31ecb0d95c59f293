"""The report: one HTML page that needs nothing beside it, its figures and its tables."""

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tickle_core.dictionaries.telling import DENSE
from tickle_core.reporting import overview, tables
from tickle_core.reporting.feature_gallery import FeatureGallery, feature_gallery
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.gallery import Gallery, HeatMaps, gallery
from tickle_core.reporting.sections import circuits, dimension, features, probes, sae
from tickle_core.reporting.sections.section import Section
from tickle_core.reporting.shown import shown
from tickle_core.reporting.style import fixed_style, save_figure
from tickle_core.reporting.traces import Trace, traces

# A new analysis adds its module here, a template of the section's name, and its stage to
# `findings.STAGES`.
SECTIONS = (
    probes.section,
    sae.section,
    features.section,
    circuits.section,
    dimension.section,
)


def write(
    findings: Findings,
    heat_maps: HeatMaps,
    page: Path,
    figures: Path,
    tables_folder: Path,
    curves: Path,
) -> None:
    """Write the page, each figure as SVG and PDF, each table as CSV and LaTeX, curves as CSV.

    Parameters
    ----------
    heat_maps
        Works out the activations that the gallery lays over its images; called once per layer
        that has a grid.
    page
        The HTML file to write.
    figures, tables_folder, curves
        Existing folders.
    """
    with fixed_style():
        sections = [make(findings) for make in SECTIONS]
        for section in sections:
            for name, figure in section.figures.items():
                save_figure(figure, figures / f"{name}.svg")
                save_figure(figure, figures / f"{name}.pdf")
    headline = overview.headline_table(findings, sections)
    all_tables = {"headline": headline}
    for section in sections:
        all_tables |= section.tables
    for name, table in all_tables.items():
        tables.write(table, tables_folder, name)
    for section in sections:
        for name, curve in section.curves.items():
            path = curves / f"{name}.csv"
            curve.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    drawn = {
        name: _svg_uri(figures / f"{name}.svg") for section in sections for name in section.figures
    }
    latents, wanted = gallery(findings, heat_maps), feature_gallery(findings)
    html = render(findings, sections, all_tables, drawn, latents, wanted, traces(findings))
    page.write_text(html, encoding="utf-8", newline="\n")


def render(
    findings: Findings,
    sections: list[Section],
    all_tables: dict[str, tables.Table],
    figures: dict[str, str],
    latents: Gallery,
    wanted: FeatureGallery,
    traced: list[Trace],
) -> str:
    """The page as text; `figures` holds a data URI by name."""
    environment = Environment(
        loader=PackageLoader("tickle_core.reporting"),
        autoescape=True,  # names of classes, files and layers come from data
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pairs = {image_id for trace in traced for image_id in (trace.image_id, trace.donor_id)}
    environment.filters |= {
        "number": tables.number,
        "percent": tables.percent,
        "estimate": tables.estimate,
        "share": tables.share,
    }
    return environment.get_template("report.html.jinja").render(
        findings=findings,
        settings=findings.settings,
        overview=overview.overview(findings),
        missing=overview.missing(findings, sections),
        sections=sections,
        tables=all_tables,
        figures=figures,
        images=shown(findings.images, latents.image_ids | wanted.image_ids | pairs),
        gallery=latents,
        wanted=wanted,
        traces=traced,
        dense=DENSE,
    )


def _svg_uri(path: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
