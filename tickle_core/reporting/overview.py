"""What was run, and the headline numbers."""

from typing import Any

from tickle_core import params
from tickle_core.datasets.notes import notes
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.sections.section import Headline, Section
from tickle_core.reporting.tables import Column, Table, null_of

HEADLINES = {
    "model_accuracy": Headline(
        "Model accuracy",
        "share of the test split that the model itself classifies rightly",
        "always guessing the most frequent of its classes",
        3,
    ),
}
DATASETS = {"fashion_mnist": "Fashion-MNIST", "folder": "a folder of images"}


def headline_table(findings: Findings, sections: list[Section]) -> Table:
    """The headline numbers with meaning, interval, null and n, or why one of these is missing."""
    words = _words(sections)
    columns = (
        Column("name", "Name"),
        Column("title", "Number"),
        Column("meaning", "What it says"),
        Column("value", "Value", 3, interval=True),
        Column("null", "Null", 3, interval=True),
        Column("null_meaning", "What the null is"),
        Column("n", "n", 0),
    )
    rows = []
    for name, found in findings.headline.items():
        known = words.get(name) or Headline(name, "", "", 3)
        rows.append(
            {
                "name": name,
                "title": known.title,
                "meaning": known.meaning,
                "value": found,
                # Without a number there is nothing to hold a null against.
                "null": null_of(found) if found["value"] is not None else None,
                "null_meaning": known.null if found.get("null") is not None else "",
                "n": found.get("n"),
                "digits": known.digits,
            }
        )
    return Table(columns, rows)


def missing(findings: Findings, sections: list[Section]) -> list[str]:
    """A sentence on each reason for which there is no headline number."""
    words = _words(sections)
    titles: dict[str, list[str]] = {}
    for name, found in findings.headline.items():
        if found["value"] is None:
            title = words[name].title if name in words else name
            titles.setdefault(found.get("why", "nothing to measure"), []).append(_inside(title))
    return [f"There is no {' and no '.join(names)}: {why}." for why, names in titles.items()]


def _inside(title: str) -> str:
    """A title within a sentence: abbreviations stay as they are."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def _words(sections: list[Section]) -> dict[str, Headline]:
    words = dict(HEADLINES)
    for section in sections:
        words |= section.headlines
    return words


def overview(findings: Findings) -> dict[str, Any]:
    """Data set, model and layers, for the template."""
    images, card = findings.images, findings.card
    _, height, width, channels = images.images.shape
    splits = images.table["split"].value_counts()
    return {
        "source": _source(findings.settings.dataset),
        "size": f"{width} × {height}, {'grey' if channels == 1 else 'RGB'}",
        "train": int(splits.get("train", 0)),
        "test": int(splits.get("test", 0)),
        "architecture": card["architecture"]["name"],
        "parameters": card["parameters"],
        "weights": card["source"],
        "accuracy": card["accuracy"],
        "top5": card["top5"],
        "notes": [*notes(images), *card["notes"], *_notes_on_tail(findings)],
        "settings": _settings(findings),
        "layers": [
            {"alias": alias, "module": module, **_layer(card["layers"][module])}
            for alias, module in findings.settings.layers.items()
        ],
    }


def _notes_on_tail(findings: Findings) -> list[str]:
    if findings.headline_layer not in findings.linear_tails:
        return []
    return [
        f"behind {findings.headline_layer}, the layer of the headline numbers, the network is "
        "linear: every screen is exact there and effects add up by construction, so that what "
        "circuits find in it says little; another report.headline_layer would say more"
    ]


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


def _source(dataset: params.Dataset) -> str:
    return dataset.name if dataset.source == "torchvision" else DATASETS[dataset.source]


def _layer(layer: dict[str, Any]) -> dict[str, Any]:
    """What the table of layers says of an entry of the card."""
    shape, layout = layer["shape"], layer["layout"]
    if layer["grid"]:
        positions = " × ".join(str(side) for side in layer["grid"])
    else:
        positions = "one vector" if layout == "NC" else f"{shape[0]} tokens"
    return {
        "positions": " + ".join([*layer["prefix"], positions]),
        "channels": shape[0] if layout == "NCHW" else shape[-1],
        "tail_share": layer["tail_share"],
        "obstacle": layer["obstacle"],
        "linear_tail": layer["linear_tail"],
    }
