"""The section on deltas: what perturbations do to layers, what carries it, what undoes it."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context
from tickle_core.reporting.delta import figures
from tickle_core.reporting.delta.found import Found, read
from tickle_core.reporting.delta.words import RIVALS
from tickle_core.reporting.kit import embedding
from tickle_core.reporting.kit.section import LatentColumn, Section
from tickle_core.reporting.kit.tables import (
    Column,
    Table,
    estimate_of,
    flag_linear_tails,
    number,
    percent,
    share,
)
from tickle_core.reporting.kit.thumbs import Thumb, thumb

MEANING = (
    "<em>Hijacked</em> is by how much a latent raises the wrong class’s logit above the right "
    "one’s on adversarial images (that of noise of the same size behind it)."
)


@dataclass(frozen=True)
class Hijacked:
    """A latent with its numbers, its picture's key (or None), and images that excite it."""

    number: int
    row: Any
    picture: str | None
    thumbs: list[Thumb]


def section(context: Context) -> Section:
    """Travel and recovery in all layers, and the hijacked latents of each."""
    found, headline = read(context), context.headline_layer
    told = found.told
    pictures: dict[str, str] = {}
    shown = {alias: hijacked(context, found, alias, pictures) for alias in told}
    drawn = {}
    if told:
        drawn = {
            "delta_travel": figures.travel_figure(found.size, told),
            "delta_curve": figures.recovery_figure({alias: found.curve[alias] for alias in told}),
            "delta_rivals": figures.rival_figure(told),
        }
    return Section(
        name="delta",
        title="Hijacked latents",
        summary=_summary(found.metrics[headline], context),
        settings=context.params.delta.model_dump(),
        figures=drawn,
        tables={
            "delta": flag_linear_tails(layer_table(told), context.linear_tails),
            "delta_recovery": flag_linear_tails(recovery_table(told), context.linear_tails),
            "delta_latents": latent_table({alias: found.latents[alias] for alias in told}),
            "delta_pairs": pair_table(found.pairs, context.card["class_names"]),
            "delta_routes": pair_table(
                {headline: found.pairs[headline]}, context.card["class_names"]
            ),
            "delta_outcomes": outcome_table(
                {alias: found.outcomes[alias] for alias in told}, context.card["class_names"]
            ),
        },
        image_ids={t.image_id for each in shown.values() for own in each for t in own.thumbs},
        pictures=pictures,
        latent_columns=(_column(found.latents),),
        facts={
            "missing": {
                alias: each["why"] for alias, each in found.metrics.items() if "why" in each
            },
            "images": told[headline]["images"] if headline in told else None,
            "hijacked": shown,
        },
    )


def hijacked(
    context: Context, found: Found, alias: str, pictures: dict[str, str]
) -> list[Hijacked]:
    """The top latents of a layer; their pictures are added to `pictures`."""
    layer, size = context.layer_card(alias), context.images.size
    class_of = context.images.table["class_name"].to_numpy()
    count = context.params.delta.shown
    tops = found.top_images[alias]
    shown = []
    for row in found.latents[alias].head(count).itertuples():
        path = context.data / "delta" / alias / f"{row.latent:03}.png"
        key = None
        if path.is_file():
            key = f"delta-{alias}-{row.latent}"
            side = embedding.embedded_size(size, count * len(context.layers))
            pictures[key] = embedding.data_uri(embedding.read(path), side)
        own = tops[(tops["latent"] == row.latent) & (tops["rank"] < count)].sort_values("rank")
        thumbs = [
            thumb(int(top.image_id), class_of, float(top.value), int(top.position), layer, size)
            for top in own.itertuples()
        ]
        shown.append(Hijacked(int(row.latent), row, key, thumbs))
    return shown


def layer_table(layers: dict[str, Any]) -> Table:
    """One row per layer: how far, how much is explained, how many latents switch."""
    columns = (
        Column("layer", "Layer"),
        Column("distance", "Distance", 3, interval=True),
        Column("noise", "Of noise", 3, interval=True),
        Column("beyond", "Beyond noise", 2, interval=True),
        Column("unexplained", "Unexplained by the SAE", 3, interval=True),
        Column("unexplained_noise", "Of noise, unexplained", 3, interval=True),
        Column("clean", "Of clean activations (FVU)", 3, interval=True),
        Column("carried", "Logit change through latents", 3, interval=True),
        Column("woken", "Woken latents", 2, interval=True),
        Column("woken_noise", "Woken by noise", 2, interval=True),
        Column("silenced", "Silenced latents", 2, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "distance": each["travel"]["distance"],
            "noise": each["travel"]["distance"]["null"],
            "beyond": each["travel"]["beyond"],
            "unexplained": each["travel"]["unexplained"],
            "unexplained_noise": each["travel"]["unexplained"]["null"],
            "clean": each["travel"]["unexplained"]["clean"],
            "carried": each["carried"],
            "woken": each["woken"],
            "woken_noise": each["woken"]["null"],
            "silenced": each["silenced"],
            "n": each["images"]["tail"],
        }
        for alias, each in layers.items()
    ]
    return Table(columns, rows)


def recovery_table(layers: dict[str, Any]) -> Table:
    """One row per layer and what is given back."""
    columns = (
        Column("layer", "Layer"),
        Column("what", "Given back"),
        Column("given_back", "Of the perturbation", 3, interval=True),
        Column("recovered", "Predictions back", 3, interval=True),
        Column("beyond", "Chosen latents beyond it", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = []
    for alias, each in layers.items():
        found = each["recovery"]
        chosen = found["recovered"]
        rows.append(
            {
                "layer": alias,
                "what": "latents: by others",
                "given_back": found["given_back"],
                "recovered": chosen,
                "n": chosen["n"],
            }
        )
        null = chosen["null"] or {"value": None, "why": chosen.get("why", "")}
        rows.append(
            {
                "layer": alias,
                "what": "latents: at random",
                "recovered": null,
                "beyond": found.get("beyond"),
                "n": chosen["n"],
            }
        )
        rows += [
            {"layer": alias, "what": title, "n": chosen["n"], **found["rivals"][name]}
            for name, title in RIVALS.items()
        ]
    return Table(columns, rows)


def latent_table(latents: dict[str, pd.DataFrame]) -> Table:
    """One row per layer and hijacked latent."""
    columns = (
        Column("layer", "Layer"),
        Column("latent", "Latent", 0),
        Column("contribution", "Contribution", 3, interval=True),
        Column("noise", "Of noise", 3),
        Column("exact", "Given back alone", 3, interval=True),
        Column("frequency", "Among an image’s five strongest", 2),
        Column("woken", "Woken", 3),
        Column("silenced", "Silenced", 3),
    )
    rows = [
        {
            "layer": alias,
            "latent": int(row.latent),
            "contribution": estimate_of(row),
            "noise": float(row.noise),
            "exact": estimate_of(row, "exact"),
            "frequency": float(row.frequency),
            "woken": float(row.woken),
            "silenced": float(row.silenced),
        }
        for alias, table in latents.items()
        for row in table.itertuples()
    ]
    return Table(columns, rows)


def pair_table(pairs: dict[str, pd.DataFrame], names: list[str]) -> Table:
    """One row per layer, pair of classes and latent."""
    columns = (
        Column("layer", "Layer"),
        Column("own", "Class"),
        Column("became", "Became"),
        Column("images", "Images", 0),
        Column("latent", "Latent", 0),
        Column("contribution", "Contribution", 3),
    )
    rows = [
        {
            "layer": alias,
            "own": names[row.own],
            "became": names[row.became],
            "images": int(row.images),
            "latent": int(row.latent),
            "contribution": float(row.contribution),
        }
        for alias, table in pairs.items()
        for row in table.itertuples()
    ]
    return Table(columns, rows)


def outcome_table(outcomes: dict[str, pd.DataFrame], names: list[str]) -> Table:
    """One row per layer and class: what images are taken for once latents are given back."""
    columns = (
        Column("layer", "Layer"),
        Column("class", "Class"),
        Column("back", "As before", 0),
        Column("still", "Still as attacked", 0),
        Column("other", "Something else", 0),
    )
    rows = []
    for alias, table in outcomes.items():
        for own, some in table.groupby("own", sort=True):
            counts = some["count"]
            back = int(counts[some["predicted"] == own].sum())
            still = int(counts[some["predicted"] == some["became"]].sum())
            rows.append(
                {
                    "layer": alias,
                    "class": names[own],
                    "back": back,
                    "still": still,
                    "other": int(counts.sum()) - back - still,
                }
            )
    return Table(columns, rows)


def _column(latents: dict[str, pd.DataFrame]) -> LatentColumn:
    cells = {
        alias: {
            int(row.latent): (number(float(row.value), 2), f"({number(float(row.noise), 2)})")
            for row in table.itertuples()
        }
        for alias, table in latents.items()
    }
    return LatentColumn("hijacked", MEANING, cells)


def _summary(layer: dict[str, Any], context: Context) -> str:
    if "why" in layer:
        return ""
    found, count = layer["recovery"], number(context.params.delta.restored)
    recovered, basis = found["recovered"], found["rivals"]["basis"]["recovered"]
    sentence = (
        f"At {context.headline_layer}, giving {count} latents their clean values back undoes "
        f"{share(found['given_back'], 0)} of the perturbation and brings back "
        f"{percent(recovered['value'], 0)} of the predictions"
    )
    if recovered["null"]:
        sentence += f", random latents that change as much {percent(recovered['null']['value'], 0)}"
    return f"{sentence}, as much of a random basis {percent(basis['value'], 0)}."
