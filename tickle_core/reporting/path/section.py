"""The section on paths: the cheapest ways from images of one class to images of another."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core.reporting.context import Context
from tickle_core.reporting.kit import embedding, plots
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.style import short
from tickle_core.reporting.kit.tables import Column, Table, estimate, known, number
from tickle_core.reporting.path import figures
from tickle_core.reporting.path.found import Found, read
from tickle_core.reporting.path.words import NUMBERS, SPACES, SWITCHES, WAYS


@dataclass(frozen=True)
class Strip:
    """Images along a way: keys of pictures, what each is taken for; and attributions, or None."""

    way: str
    excess: float
    points: list[tuple[str, str]]
    map: str | None


def section(context: Context) -> Section:
    """Costs of all ways, and some to look at."""
    found = read(context)
    names = context.card["class_names"]
    pictures: dict[str, str] = {}
    titles = _titles(context, found, names)
    drawn = {}
    if titles:
        drawn = {
            "path_numbers": figures.number_figure(found.metrics),
            "path_profiles": figures.profile_figure(found.profiles, titles),
            "path_plane": figures.plane_figure(found.plane, found.profiles, titles),
        }
    return Section(
        name="path",
        title="Paths of least cost",
        summary=_summary(found.metrics),
        settings=context.params.path.model_dump(),
        figures=drawn,
        tables={
            "path": number_table(found.metrics),
            "path_pairs": pair_table(found.paths, names),
            "path_latents": switch_table(found.switches),
        },
        pictures=pictures,
        facts={
            "why": found.metrics.get("why"),
            "metrics": found.metrics,
            # Pairs of classes may read alike, so titles are no keys.
            "strips": [
                (title, strips(context, found, pair, names, pictures))
                for pair, title in titles.items()
            ],
        },
    )


def _titles(context: Context, found: Found, names: list[str]) -> dict[int, str]:
    """The pairs that are shown, evenly from those that cost least to those that cost most."""
    own = found.paths[(found.paths["space"] == "pixels") & (found.paths["way"] == "string")]
    if not len(own):
        return {}
    in_order = own.sort_values(["excess", "pair"])
    chosen = [in_order.iloc[place] for place in plots.evenly(len(own), context.params.path.shown)]
    return {
        int(row["pair"]): " to ".join(_brief(names[int(row[end])]) for end in ("first", "last"))
        for row in chosen
    }


def _brief(name: str) -> str:
    """A name without its synonyms, two of which fit above a panel."""
    return short(name.split(",")[0])


def strips(
    context: Context, found: Found, pair: int, names: list[str], pictures: dict[str, str]
) -> list[Strip]:
    """All ways through pixels of one pair; their pictures are added to `pictures`."""
    folder = context.data / "path"
    size = embedding.embedded_size(context.images.size, 160)
    shown = []
    own = found.paths[(found.paths["space"] == "pixels") & (found.paths["pair"] == pair)]
    maps = found.maps[found.maps["pair"] == pair].set_index("way")
    for way, (title, *_) in WAYS.items():
        if way not in set(own["way"]):
            continue
        files = sorted(folder.glob(f"{way}-{pair:03}-*.png"))
        rows = found.profiles[
            (found.profiles["space"] == "pixels")
            & (found.profiles["way"] == way)
            & (found.profiles["pair"] == pair)
        ].sort_values("step")
        places = plots.evenly(len(rows), len(files))
        points = []
        for place, file in zip(places, files, strict=True):
            key = f"path-{file.stem}"
            pictures[key] = embedding.data_uri(embedding.read(file), size)
            points.append((key, names[int(rows["predicted"].iloc[place])]))
        drawn = None
        if way in maps.index:
            values = np.asarray(maps.at[way, "values"])
            drawn = embedding.signed_overlay(values.reshape(maps.at[way, "height"], -1))
        excess = float(own[own["way"] == way]["excess"].iloc[0])
        shown.append(Strip(title, excess, points, drawn))
    return shown


def number_table(metrics: dict[str, Any]) -> Table:
    """One row per space and way: medians over pairs."""
    columns = (
        Column("space", "Leads"),
        Column("way", "Way"),
        *(Column(name, title, digits, interval=True) for name, (title, digits) in NUMBERS.items()),
        Column("n", "Pairs", 0),
    )
    rows = []
    for space, leads in SPACES.items() if "pixels" in metrics else ():
        found = metrics[space]
        ways = {"string": found, **found["rivals"]}
        rows += [
            {"space": leads, "way": WAYS[way][0], "n": ways[way]["excess"]["n"]}
            | {name: ways[way][name] for name in NUMBERS if name in ways[way]}
            for way in WAYS
            if way in ways
        ]
    return Table(columns, rows)


def pair_table(paths: pd.DataFrame, names: list[str]) -> Table:
    """One row per space, way and pair."""
    columns = (
        Column("space", "Leads"),
        Column("way", "Way"),
        Column("first", "From"),
        Column("last", "To"),
        Column("first_id", "Image", 0),
        Column("last_id", "Image", 0),
        Column("cost", "Cost", 2),
        Column("rise", "Least possible", 2),
        *(Column(name, title, digits) for name, (title, digits) in NUMBERS.items()),
    )
    rows = [
        {
            "space": SPACES[row.space],
            "way": WAYS[row.way][0],
            "first": names[row.first],
            "last": names[row.last],
            "first_id": int(row.first_id),
            # An attack ends at no image of the set.
            "last_id": int(row.last_id) if row.last_id >= 0 else None,
            "cost": float(row.cost),
            "rise": float(row.rise),
            **{name: known(getattr(row, name)) for name in NUMBERS},
        }
        for row in paths.itertuples()
    ]
    return Table(columns, rows)


def switch_table(switches: pd.DataFrame) -> Table:
    """One row per way, pair and latent that switches."""
    columns = (
        Column("way", "Way"),
        Column("pair", "Pair", 0),
        Column("latent", "Latent", 0),
        Column("kind", "Goes"),
        Column("at", "At", 2),
        Column("strength", "Activation", 3),
    )
    rows = [
        {
            "way": WAYS[row.way][0],
            "pair": int(row.pair),
            "latent": int(row.latent),
            "kind": SWITCHES[row.kind],
            "at": float(row.at),
            "strength": float(row.strength),
        }
        for row in switches.itertuples()
    ]
    return Table(columns, rows)


def _summary(metrics: dict[str, Any]) -> str:
    if "why" in metrics:
        return ""
    found = metrics["pixels"]["excess"]
    return (
        f"From an image to one of another class, the cheapest paths found through pixels cost "
        f"{estimate(found, 1)} times more than the least that any can, straight lines "
        f"{number(found['null']['value'], 1)} times."
    )
