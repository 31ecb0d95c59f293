"""What is wrong with params.yaml is said with its place, its meaning and the nearest valid name."""

from pathlib import Path

import pytest

from tests.params.refusals import assert_refused, changed
from tickle_core.errors import TickleError
from tickle_core.params import presets, reading
from tickle_core.params.types import Block

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("place", "value", "parts"),
    [
        ("sae.kk", 3, ["unknown key 'sae.kk'", "did you mean 'k'?"]),
        ("sea", {}, ["unknown key 'sea'", "did you mean 'sae'?"]),
        ("dataset.foldr", "x", ["unknown key 'dataset.foldr'", "did you mean 'folder'?"]),
        ("sae.zzz", 3, ["unknown key 'sae.zzz'", "valid here", "latents"]),
        ("sae.k", "8", ["sae.k", "integer", "'8'", "(active latents per token: topk exactly"]),
        ("sae.layers", {"late": {"kk": 4}}, ["unknown key 'sae.layers.late.kk'", "mean 'k'?"]),
        ("sae.companions", {"K4": {}}, ["sae.companions.K4", "plain word"]),
        ("sae.companions", {"a/b": {}}, ["sae.companions.a/b", "plain word"]),
        (
            "sae.companions",
            {"x": {"k": "4"}},
            ["sae.companions.x.k", "integer", "'4' (active latents per token)"],
        ),
        ("sae.layers", {"late": {"latents": 0}}, ["sae.layers.late.latents", "(size of the dict"]),
        ("dataset.folder", 3, ["dataset.folder", "string", "(where its four files lie"]),
        ("dimension", 3, ["dimension", "3 (how many dimensions activations take)"]),
        ("model.weight_decay", -1, ["model.weight_decay", "-1 (L2 penalty of the optimiser)"]),
        (
            "probes.strengths",
            ["x"],
            ["probes.strengths.0", "number", "'x' (inverse regularisations C"],
        ),
        ("sae.companions", {"x": {"seed": 1}}, ["unknown key 'sae.companions.x.seed'"]),
        (
            "sae.companions",
            {"x": {"precison": "float32"}},
            ["unknown key 'sae.companions.x.precison'", "did you mean 'precision'?"],
        ),
        (
            "sae.companions",
            {"x": {"zzz": 5}},
            ["unknown key 'sae.companions.x.zzz'", "valid here: variant, latents, k, l1"],
        ),
        (
            "features.diversty",
            1.0,
            ["unknown key 'features.diversty'", "did you mean 'diversity'?"],
        ),
        ("dataset.source", "imagenet", ["dataset", "imagenet", "fashion_mnist"]),
        ("layers", {"a.b": "layer1"}, ["layers.a.b", "plain word"]),
        ("layers", {"Late": "layer1"}, ["layers.Late", "plain word"]),
        ("layers", {"a b": "layer1"}, ["layers.a b", "plain word"]),
        ("layers", {"../x": "layer1"}, ["plain word"]),
    ],
)
def test_an_error_says_where_what_and_what_is_meant(values, place, value, parts):
    assert_refused(changed(values, place, value), *parts)


def fields(block, place=""):
    """Dotted place and sentence of each field of a block that was read, and of the blocks in it."""
    for name, field in type(block).model_fields.items():
        yield f"{place}{name}", field.description.removesuffix(".")
        if isinstance(value := getattr(block, name), Block):
            yield from fields(value, f"{place}{name}.")


@pytest.mark.parametrize("name", presets.names(ROOT / "presets"))
def test_a_wrong_type_is_answered_with_what_the_field_is(name, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(presets.text(name, ROOT / "presets"))
    values = reading.read(path)
    for place, sentence in fields(reading.parse(values)):
        if not place.endswith(".source"):  # told apart by it, before fields are looked at
            assert_refused(changed(values, place, [[]]), place, f"{sentence[1:]})")


def test_a_missing_section_is_named(values):
    del values["probes"]
    assert_refused(values, "probes is missing")


def test_all_problems_are_named_at_once(values):
    values["sae"]["kk"] = 1
    values["seed"] = "x"
    assert_refused(values, "sae.kk", "seed")


def test_an_unknown_source_is_answered_with_the_nearest(values):
    values["model"]["source"] = "torchvison"
    with pytest.raises(
        TickleError, match=r"model.source is 'torchvison'; did you mean 'torchvision'"
    ):
        reading.parse(values)
