"""Checks of one block of params.yaml against another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tickle_core.params.errors import hint

if TYPE_CHECKING:
    from tickle_core.params.schema import Params


def problems(params: Params) -> Iterator[str]:
    """What does not fit together, in sentences that say where and what to do."""
    yield from _layers(params)
    yield from _sizes(params)
    yield from _rates(params)


def _layers(params: Params) -> Iterator[str]:
    by_module: dict[str, str] = {}
    for alias, module in params.layers.items():
        if module in by_module:
            yield f"layers.{alias} and layers.{by_module[module]} are both {module!r}; keep one"
        by_module[module] = alias
    for alias in params.sae.layers:
        if alias not in params.layers:
            yield f"sae.layers.{alias}: no alias under layers; {hint(alias, list(params.layers))}"
    if params.report.headline_layer not in params.layers:
        yield (
            f"report.headline_layer is {params.report.headline_layer!r}, which is no alias under "
            f"layers ({', '.join(params.layers)})"
        )


def _sizes(params: Params) -> Iterator[str]:
    if (params.extract.test_images or params.dimension.blocks) < params.dimension.blocks:
        yield (
            f"dimension.blocks is {params.dimension.blocks}, but there are only "
            f"{params.extract.test_images} images to deal among them (extract.test_images)"
        )
    most = max(params.curvature.neighbours, *params.curvature.others)
    if most > params.neighbours.count:
        yield (
            f"curvature asks for {most} neighbours, but neighbours.count keeps only "
            f"{params.neighbours.count}"
        )
    if params.connectedness.neighbours > params.neighbours.count:
        yield (
            f"connectedness.neighbours is {params.connectedness.neighbours}, but neighbours.count "
            f"keeps only {params.neighbours.count}"
        )
    if 3 * params.projections.neighbours >= 2 * params.projections.images:
        yield (
            f"projections.neighbours is {params.projections.neighbours}, too many among "
            f"{params.projections.images} images (projections.images)"
        )
    if params.fractures.neighbours * 4 > params.fractures.points:
        yield (
            f"fractures.neighbours is {params.fractures.neighbours}, too many among "
            f"{params.fractures.points} points (fractures.points)"
        )
    if params.attribution.anchors < params.attribution.images:
        yield (
            f"attribution.images is {params.attribution.images}, but they are drawn from only "
            f"{params.attribution.anchors} (attribution.anchors)"
        )
    if params.report.images_per_latent > params.sae.top_images:
        yield (
            f"report.images_per_latent is {params.report.images_per_latent}, but sae.top_images "
            f"keeps only {params.sae.top_images} per latent"
        )
    if params.report.latents > params.sae.heat_maps:
        yield (
            f"report.latents is {params.report.latents}, but sae.heat_maps keeps where in an image "
            f"a latent is active of only {params.sae.heat_maps}"
        )


def _rates(params: Params) -> Iterator[str]:
    if params.model.source != "train":
        return
    shrink = params.model.learning_rate * params.model.weight_decay
    if shrink >= 1:
        yield (
            f"model.learning_rate times model.weight_decay is {shrink:.3g}: from 1 on, each step "
            "turns the weights over; lower one of them"
        )
