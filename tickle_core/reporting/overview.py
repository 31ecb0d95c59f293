"""What was run, and the headline numbers."""

from typing import Any

from tickle_core.reporting.findings import Findings
from tickle_core.reporting.sections.section import Headline, Section
from tickle_core.reporting.tables import Column, Table

HEADLINES = {
    "model_accuracy": Headline(
        "Model accuracy", "share of the test split that the model itself classifies rightly", "", 3
    ),
}
DATASETS = {"fashion_mnist": "Fashion-MNIST", "folder": "a folder of images"}
WEIGHTS = {"train": "trained in this run, on the train images"}


def headline_table(findings: Findings, sections: list[Section]) -> Table:
    """The headline numbers with meaning, interval, null and n."""
    words = dict(HEADLINES)
    for section in sections:
        words |= section.headlines
    columns = (
        Column("name", "Name"),
        Column("title", "Number"),
        Column("meaning", "What it says"),
        Column("value", "Value", 3, interval=True),
        Column("null", "Null", 3),
        Column("null_meaning", "What the null is"),
        Column("n", "n", 0),
    )
    rows = []
    for name, entry in findings.headline.items():
        known = words.get(name) or Headline(name, "", "", 3)
        found = entry if isinstance(entry, dict) else {"value": entry}
        rows.append(
            {
                "name": name,
                "title": known.title,
                "meaning": known.meaning,
                "value": found,
                "null": found.get("null"),
                "null_meaning": known.null,
                "n": found.get("n"),
                "digits": known.digits,
            }
        )
    return Table(columns, rows)


def overview(findings: Findings) -> dict[str, Any]:
    """Data set, model and layers, for the template."""
    images, card = findings.images, findings.card
    _, height, width, channels = images.images.shape
    splits = images.table["split"].value_counts()
    return {
        "source": DATASETS.get(findings.settings.dataset.source, findings.settings.dataset.source),
        "size": f"{width} × {height}, {'grey' if channels == 1 else 'RGB'}",
        "train": int(splits.get("train", 0)),
        "test": int(splits.get("test", 0)),
        "architecture": card["architecture"]["name"],
        "parameters": card.get("parameters"),
        "weights": WEIGHTS.get(card["source"], card["source"]),
        "accuracy": card["accuracy"],
        "settings": _settings(findings),
        "layers": [
            {"alias": alias, "module": module, **_shape(card["layers"][module]["shape"])}
            for alias, module in findings.settings.layers.items()
        ],
    }


def _settings(findings: Findings) -> dict[str, Any]:
    settings = findings.settings
    # Where the images were found on the disk is no part of what was run.
    sections = {
        "dataset": settings.dataset.model_dump(exclude={"folder"}),
        "model": settings.model.model_dump(),
        "extract": settings.extract.model_dump(),
        "report": settings.report.model_dump(),
    }
    named = {
        f"{section}.{key}": value
        for section, values in sections.items()
        for key, value in values.items()
    }
    return {"seed": settings.seed} | named


def _shape(shape: list[int]) -> dict[str, Any]:
    """Grid and channels of a layer's output for one image: (c, h, w), (tokens, c) or (c,)."""
    if len(shape) == 3:
        return {"grid": f"{shape[1]} × {shape[2]}", "channels": shape[0]}
    grid = f"{shape[0]} tokens" if len(shape) == 2 else "one vector"
    return {"grid": grid, "channels": shape[-1]}
