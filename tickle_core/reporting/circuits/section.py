"""The section on circuits: what causes the prediction."""

from typing import Any

from tickle_core.reporting.circuits import (
    ablation_figures,
    ablation_tables,
    figures,
    tables,
)
from tickle_core.reporting.circuits.found import read
from tickle_core.reporting.circuits.traces import traces
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import flag_linear_tails, number, percent

ALIKE = 0.7  # rank correlation from which two rankings are called much alike

# Tables of which a linear tail decides the result: there the screen is exact and effects add up.
BY_LAYER = ("circuits_ablation", "circuits_groups", "circuits_patching", "circuits_tracing")


def section(context: Context) -> Section:
    """Ablation, patching and causal tracing, per layer."""
    found, layer = read(context), context.headline_layer
    layers, curves = found.metrics, found.curves
    headline = layers[layer]
    patching, tracing = (
        {alias: each[part] for alias, each in layers.items() if "why" not in each[part]}
        for part in ("patching", "tracing")
    )
    drawn = {
        "circuits_ablation": ablation_figures.ablation_figure(layers),
        **{
            f"circuits_curves_{kind}": ablation_figures.curves_figure(curves, kind)
            for kind in ablation_tables.ABLATIONS
        },
    }
    listed = {
        "circuits_ablation": ablation_tables.ablation_table(layers),
        "circuits_curves": ablation_tables.curve_table(curves),
        "circuits_groups": ablation_tables.group_table(layers),
        "circuits_latents": ablation_tables.unit_table(found.ablation[layer]),
    }
    classes = ablation_figures.classes_figure(found.class_effects[layer])
    if classes:
        drawn["circuits_classes"] = classes
    if patching:
        drawn["circuits_patching"] = figures.patching_figure(patching)
        listed["circuits_patching"] = tables.patching_table(patching)
    if layer in patching:
        cells = found.patching[layer]
        drawn["circuits_influence"] = figures.influence_figure(cells)
        listed["circuits_influence"] = tables.influence_table(cells)
    if tracing:
        counts = {alias: len(found.sites[alias]) for alias in tracing}
        drawn["circuits_tracing"] = figures.tracing_figure(tracing, found.sites)
        listed["circuits_tracing"] = tables.tracing_table(tracing, counts)
    shown = traces(context, found)
    return Section(
        name="circuits",
        title="Circuits",
        summary=_summary(headline),
        settings=context.params.circuits.model_dump(),
        figures=drawn,
        tables={
            name: flag_linear_tails(table, context.linear_tails) if name in BY_LAYER else table
            for name, table in listed.items()
        },
        curves={"circuits_ablation": ablation_figures.effect_curves(curves)},
        image_ids={image for trace in shown for image in (trace.image_id, trace.donor_id)},
        facts={
            "headline": headline,
            "carries_over": {alias: _carries_over(each) for alias, each in layers.items()},
            "curve_layers": min(len(layers), ablation_figures.MOST_LAYERS),
            "classes_shown": ablation_figures.MOST_CLASSES,
            "latents_shown": ablation_figures.MOST_LATENTS,
            "joined": any(each["joined"] != [1, 1] for each in tracing.values()),
            "prefix": any(each["prefix"] for each in tracing.values()),
            "traces": shown,
        },
    )


def _summary(layer: dict[str, Any]) -> str:
    """Of the headline layer, in the words of the page's first paragraph."""
    sentences = []
    group = ablation_tables.judged(layer, "latents")["group"]
    if group:
        lost = (
            f"Without the {number(group['size'])} latents that support predictions most, "
            f"{percent(group['share']['value'])} of the layer, the logit of the predicted class "
            f"falls by {number(group['effect_size']['value'], 2)} standard deviations"
        )
        null = group["effect_size"]["null"]
        if null:
            low, high = (number(end, 2) for end in null["range"])
            beside = f"with random groups that change as much, {number(null['value'], 2)}"
            sentences.append(f"{lost} ({beside}, from {low} to {high}).")
        else:
            sentences.append(f"{lost}; nothing to compare that with: {group['excess']['why']}.")
        sentences.append(_carries_over(layer))
    latents = layer["patching"].get("kinds", {}).get("latents")
    if latents:
        sentences.append(
            f"With {percent(latents['patched'] / latents['of'], 0)} of its latents, "
            f"{percent(latents['replaced']['value'], 0)} of what differs, taken from an image of "
            f"another class, the model goes {percent(latents['influence']['value'], 0)} of the way "
            f"there{_beside(latents['rivals'])}."
        )
    return " ".join(sentences)


def _carries_over(layer: dict[str, Any]) -> str:
    """Whether other images would have chosen the same latents."""
    found, images = layer["ablation"]["latents"].get("carries_over"), layer["images"]["ranking"]
    if not found or not found["interval"]:
        return ""
    low, high = (number(end, 2) for end in found["interval"])
    beside = f"rank correlation {number(found['value'], 2)} [{low}, {high}]"
    if found["interval"][0] <= 0:
        return (
            f"That {number(images)} images would choose the same latents as others cannot be seen "
            f"({beside}): more images would be needed to say."
        )
    energy = found["null"] and number(found["null"]["value"], 2)
    much = "much" if found["value"] >= ALIKE else "somewhat"
    return f"Other images rank the latents {much} alike ({beside}; by their energy {energy})."


def _beside(rivals: dict[str, Any]) -> str:
    if "random" not in rivals:
        return ""
    reached, replaced = (rivals["random"][key]["value"] for key in ("influence", "replaced"))
    return (
        f" ({percent(reached, 0)} with random directions that are chosen likewise and replace "
        f"{percent(replaced, 0)})"
    )
