"""What was run, and the headline numbers."""

from typing import Any

from tickle_core.datasets.notes import notes
from tickle_core.params.dataset import Dataset
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit.headline import Headline
from tickle_core.reporting.kit.tables import Column, Table, null_of

DATASETS = {"fashion_mnist": "Fashion-MNIST", "folder": "a folder of images"}
LEAST_IMAGES = 20  # of fewer, shares have intervals so wide that a sentence with one misleads


def headline_table(found: dict[Headline, dict[str, Any]]) -> Table:
    """The headline numbers with meaning, interval, null and n, or why one of these is missing."""
    columns = (
        Column("name", "Name"),
        Column("title", "Number"),
        Column("meaning", "What it says"),
        Column("value", "Value", 3, interval=True),
        Column("null", "Null", 3, interval=True),
        Column("null_meaning", "What the null is"),
        Column("n", "n", 0),
    )
    rows = [
        {
            "name": headline.key,
            "title": headline.title,
            "meaning": headline.meaning,
            "value": number,
            # Without a number there is nothing to hold a null against.
            "null": null_of(number) if number["value"] is not None else None,
            "null_meaning": headline.null if number.get("null") is not None else "",
            "n": number.get("n"),
            "digits": headline.digits,
        }
        for headline, number in found.items()
    ]
    return Table(columns, rows)


def missing(found: dict[Headline, dict[str, Any]]) -> list[str]:
    """A sentence on each reason for which there is no headline number."""
    titles: dict[str, list[str]] = {}
    for headline, number in found.items():
        if number["value"] is None:
            why = number.get("why", "nothing to measure")
            titles.setdefault(why, []).append(_inside(headline.title))
    return [f"There is no {' and no '.join(names)}: {why}." for why, names in titles.items()]


def _inside(title: str) -> str:
    """A title within a sentence: abbreviations stay as they are."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def overview(context: Context) -> dict[str, Any]:
    """Data set, model and layers, for the template."""
    images, card = context.images, context.card
    _, height, width, channels = images.images.shape
    splits = images.table["split"].value_counts()
    return {
        "source": _source(context.params.dataset),
        "size": f"{width} × {height}, {'grey' if channels == 1 else 'RGB'}",
        "train": int(splits.get("train", 0)),
        "test": int(splits.get("test", 0)),
        "architecture": card["architecture"]["name"],
        "parameters": card["parameters"],
        "weights": card["source"],
        "accuracy": card["accuracy"],
        "top5": card["top5"],
        "too_few": len(context.held_out) < LEAST_IMAGES,
        "notes": [*notes(images), *card["notes"], *_notes_on_tail(context)],
        "settings": _settings(context),
        "layers": [
            {"alias": alias, "module": module, **_layer(card["layers"][module])}
            for alias, module in context.layers.items()
        ],
    }


def _notes_on_tail(context: Context) -> list[str]:
    if context.headline_layer not in context.linear_tails:
        return []
    return [
        f"behind {context.headline_layer}, the layer of the headline numbers, the network is "
        "linear: every screen is exact there and effects add up by construction, so that what "
        "circuits find in it says little; another report.headline_layer would say more"
    ]


def _settings(context: Context) -> dict[str, Any]:
    checked = context.params
    # Where the images were found on the disk is no part of what was run.
    sections = {
        "dataset": checked.dataset.model_dump(exclude={"folder"}),
        "model": checked.model.model_dump(),
        "extract": checked.extract.model_dump(),
        "report": checked.report.model_dump(),
    }
    named = {
        f"{section}.{key}": value
        for section, values in sections.items()
        for key, value in values.items()
    }
    return {"seed": checked.seed} | named


def _source(dataset: Dataset) -> str:
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
