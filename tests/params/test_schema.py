"""The schema of params.yaml: nothing has a default, all is explained, the impossible is refused."""

import re
from pathlib import Path

import pytest

from tests.params.refusals import assert_refused, changed
from tickle_core.datasets.concept_sets.definition import Concept
from tickle_core.params import reading
from tickle_core.params.sae import Companion, SaeOfLayer
from tickle_core.params.schema import Params
from tickle_core.params.types import Block

ROOT = Path(__file__).parents[2]


def test_the_default_is_valid(values):
    assert reading.parse(values).layers["late"] == "layer3"


def blocks(block=Block):
    """All kinds of block that there are."""
    return [each for kind in block.__subclasses__() for each in (kind, *blocks(kind))]


def test_nothing_has_a_default():
    """The code fingerprint leaves the schema out, which is sound only while it holds no values.

    What a companion or a layer leaves out is as in the section, and a concept has one source of
    several: None there is no value.
    """
    partial = (Companion, SaeOfLayer, Concept)
    with_default = [
        f"{block.__name__}.{name}"
        for block in blocks()
        for name, field in block.model_fields.items()
        if not field.is_required() and (block not in partial or field.default is not None)
    ]
    assert with_default == []


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.__name__)
def test_every_field_is_explained_in_a_sentence(block):
    for name, field in block.model_fields.items():
        sentence = field.description or ""
        assert sentence.endswith(".") and "\n" not in sentence, name


def test_every_knob_is_explained():
    """Each block of the default file carries a comment banner with its name."""
    text = (ROOT / "params.yaml").read_text()
    for section in set(Params.model_fields) - {"seed", "device"}:
        assert re.search(rf"^# {section}: \w", text, re.MULTILINE), section


@pytest.mark.parametrize(
    ("place", "value", "parts"),
    [
        ("sae.k", 8.5, ["sae.k", "integer", "8.5"]),
        ("sae.k", 0, ["sae.k", "greater than 0"]),
        ("sae.k", -3, ["sae.k", "greater than 0", "-3"]),
        ("sae.k", 5000, ["k is 5000", "512 latents"]),
        ("sae", None, ["sae"]),
        ("sae.variant", "top_k", ["sae.variant", "matryoshka", "'top_k'"]),
        ("sae.precision", "float16", ["sae.precision", "bfloat16", "'float16'"]),
        ("sae.seeds", 0, ["sae.seeds", "greater than 0"]),
        ("sae.layers", {"late": {"k": 600}}, ["sae: layers.late: k is 600", "512 latents"]),
        ("sae.layers", {"late": {"latents": 4}}, ["layers.late", "k is 8", "4 latents"]),
        ("sae.patience", 0, ["sae.patience", "greater than 0"]),
        ("sae.dead_after", 1.5, ["sae.dead_after", "integer"]),
        ("sae.companions", {"main": {}}, ["companions.main", "name is taken"]),
        ("sae.companions", {"permuted": {"k": 4}}, ["companions.permuted", "name is taken"]),
        ("sae.companions", {"frozen": {"k": 4}}, ["companions.frozen", "name is taken"]),
        ("sae.companions", {"seed12": {"k": 4}}, ["companions.seed12", "name is taken"]),
        ("sae.companions", {"x": {"k": 5000}}, ["companions.x", "k is 5000", "512 latents"]),
        ("sae.companions", {"x": {"latents": 5}}, ["companions.x", "k is 8", "5 latents"]),
        (
            "sae.layers",
            {"late": {"k": 16, "companions": {"x": {"latents": 8}}}},
            ["layers.late, companions.x", "k is 16"],
        ),
        ("sae.layers", {"late": {"companions": {"main": {}}}}, ["name is taken"]),
        ("sae.companions", {"x": {"variant": "top"}}, ["sae.companions.x.variant", "topk"]),
        ("features.parametrization", "fft", ["features.parametrization", "fourier", "'fft'"]),
        ("features.pictures", 99, ["features: pictures is 99", "raise batch_size"]),
        ("features.pad", 0.5, ["features.pad", "less than 0.5"]),
        ("features.noise", 1, ["features.noise", "2"]),
        ("circuits.images", 3, ["circuits.images", "4"]),
        ("circuits.classes", 1, ["circuits.classes", "2"]),
        ("circuits.patched_share", 1.5, ["circuits.patched_share", "less than 1"]),
        ("circuits.sites", 0, ["circuits.sites", "greater than 0"]),
        ("seed", True, ["seed", "integer", "True"]),
        ("seed", -1, ["seed"]),
        ("model.learning_rate", float("nan"), ["model.learning_rate"]),
        ("model.learning_rate", 0, ["model.learning_rate", "greater than 0"]),
        ("extract.train_images", 0, ["extract.train_images"]),
        ("extract.test_images", -5, ["extract.test_images"]),
        ("extract.train_images", 1, ["extract.train_images", "2"]),
        ("extract.dtype", "float8", ["extract.dtype", "bfloat16"]),
        ("device", "gpu", ["device", "cuda"]),
        ("layers", {}, ["layers"]),
    ],
)
def test_bad_values_are_refused(values, place, value, parts):
    assert_refused(changed(values, place, value), *parts)


def test_a_companion_may_have_more_latents_and_active_ones_than_the_main_sae(values):
    values["sae"]["companions"] = {"wide": {"latents": 6000, "k": 5000}, "same": {}}
    companions = reading.parse(values).sae.companions
    assert companions["wide"].k == 5000
    assert companions["same"] == Companion()
