"""What the stage `flow` leaves, with made-up numbers."""

import pandas as pd

from tests.reporting.made_up import Made
from tickle_core.results import write_json

CONCEPTS = ("fluffy <b>", "dark")


def write(made: Made, groups=True):
    """Of all layers, each time; without `groups` no class has images enough."""
    first = {"readable": made.aliases[0], "learnt": None, "tcav": None, "causal": made.aliases[-1]}
    write_json(made.metrics_of("flow"), {"first": dict.fromkeys(CONCEPTS, first)})
    layers = pd.DataFrame(
        {
            "concept": concept,
            "layer": alias,
            "accuracy": 0.9,
            "accuracy_low": 0.8,
            "accuracy_high": 0.95,
            "accuracy_null": 0.5,
            "untrained": 0.6,
            "untrained_high": 0.7,
            "p_readable": 0.001,
            "effect": 1.0,
            "effect_low": 0.5,
            "effect_high": 1.5,
            "effect_null_low": -0.2,
            "effect_null_high": 0.2,
            "p_causal": 0.04,
            "targets": 2,
            "tested": 0 if alias == made.aliases[-1] else 2,
            "significant": 1,
            "localised": 1,
            "consistency": 0.9,
            "consistency_null": 0.6,
            "readable": True,
            "causal": False,
            "learnt": True,
            "tcav": True,
        }
        for concept in CONCEPTS
        for alias in made.aliases
    )
    means = pd.DataFrame(
        [
            (concept, group, alias, 0.1 * place, -0.1, 1.0, 20)
            for concept in CONCEPTS
            for place, group in enumerate(made.class_names)
            for alias in made.aliases
        ],
        columns=["concept", "group", "layer", "value", "low", "high", "n"],
    )
    images = pd.DataFrame(
        [
            (image, concept, alias, 0.5)
            for image in (1, 3)
            for concept in CONCEPTS
            for alias in made.aliases
        ],
        columns=["image_id", "concept", "layer", "value"],
    )
    folder = made.folder_of("flow")
    layers.to_parquet(folder / "layers.parquet", index=False)
    (means if groups else means[:0]).to_parquet(folder / "groups.parquet", index=False)
    images.to_parquet(folder / "images.parquet", index=False)
