"""params.yaml is checked before any work, and says what is wrong in one line."""

import copy
import re
from pathlib import Path

import pytest

from tickle_core.errors import TickleError
from tickle_core.params import reading
from tickle_core.params.sae import Companion, SaeOfLayer
from tickle_core.params.schema import Params
from tickle_core.params.types import Block

ROOT = Path(__file__).parents[2]


@pytest.fixture
def values():
    return reading.read(ROOT / "params.yaml")


def test_the_default_is_valid(values):
    assert reading.parse(values).layers["late"] == "layer3"


def blocks(block=Block):
    """All kinds of block that there are."""
    return [each for kind in block.__subclasses__() for each in (kind, *blocks(kind))]


def test_nothing_has_a_default():
    """The code fingerprint leaves the schema out, which is sound only while it holds no values.

    What a companion or a layer leaves out is as in the section: None there is no value.
    """
    partial = (Companion, SaeOfLayer)
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


def assert_refused(values, *parts):
    with pytest.raises(TickleError) as caught:
        reading.parse(values)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("place", "value", "parts"),
    [
        ("sae.kk", 3, ["unknown key 'sae.kk'", "did you mean 'k'?"]),
        ("sea", {}, ["unknown key 'sea'", "did you mean 'sae'?"]),
        ("dataset.foldr", "x", ["unknown key 'dataset.foldr'", "did you mean 'folder'?"]),
        ("sae.zzz", 3, ["unknown key 'sae.zzz'", "valid here", "latents"]),
        ("sae.k", "8", ["sae.k", "integer", "'8'", "(active latents per token: topk exactly"]),
        ("sae.k", 8.5, ["sae.k", "integer", "8.5"]),
        ("sae.k", 0, ["sae.k", "greater than 0"]),
        ("sae.k", -3, ["sae.k", "greater than 0", "-3"]),
        ("sae.k", 5000, ["k is 5000", "512 latents"]),
        ("sae", None, ["sae"]),
        ("sae.variant", "top_k", ["sae.variant", "matryoshka", "'top_k'"]),
        ("sae.precision", "float16", ["sae.precision", "bfloat16", "'float16'"]),
        ("sae.seeds", 0, ["sae.seeds", "greater than 0"]),
        ("sae.layers", {"lat": {"k": 4}}, ["sae.layers.lat", "did you mean 'late'?"]),
        ("sae.layers", {"late": {"kk": 4}}, ["unknown key 'sae.layers.late.kk'", "mean 'k'?"]),
        ("sae.layers", {"late": {"k": 600}}, ["sae: layers.late: k is 600", "512 latents"]),
        ("sae.layers", {"late": {"latents": 4}}, ["layers.late", "k is 8", "4 latents"]),
        ("sae.patience", 0, ["sae.patience", "greater than 0"]),
        ("sae.dead_after", 1.5, ["sae.dead_after", "integer"]),
        ("sae.companions", {"main": {}}, ["companions.main", "name is taken"]),
        ("sae.companions", {"permuted": {"k": 4}}, ["companions.permuted", "name is taken"]),
        ("sae.companions", {"frozen": {"k": 4}}, ["companions.frozen", "name is taken"]),
        ("sae.companions", {"seed12": {"k": 4}}, ["companions.seed12", "name is taken"]),
        ("sae.companions", {"K4": {}}, ["sae.companions.K4", "plain word"]),
        ("sae.companions", {"a/b": {}}, ["sae.companions.a/b", "plain word"]),
        ("sae.companions", {"x": {"k": 5000}}, ["companions.x", "k is 5000", "512 latents"]),
        ("sae.companions", {"x": {"latents": 5}}, ["companions.x", "k is 8", "5 latents"]),
        (
            "sae.layers",
            {"late": {"k": 16, "companions": {"x": {"latents": 8}}}},
            ["layers.late, companions.x", "k is 16"],
        ),
        ("sae.layers", {"late": {"companions": {"main": {}}}}, ["name is taken"]),
        (
            "sae.companions",
            {"x": {"k": "4"}},
            ["sae.companions.x.k", "integer", "'4' (active latents per token)"],
        ),
        ("sae.layers", {"late": {"latents": 0}}, ["sae.layers.late.latents", "(size of the dict"]),
        ("dataset.folder", 3, ["dataset.folder", "string", "(where its four files lie"]),
        ("probes.strengths", ["x"], ["probes.strengths.0", "number", "'x'"]),
        ("report.latents", 25, ["report.latents is 25", "sae.heat_maps"]),
        ("sae.companions", {"x": {"seed": 1}}, ["unknown key 'sae.companions.x.seed'"]),
        ("sae.companions", {"x": {"variant": "top"}}, ["sae.companions.x.variant", "topk"]),
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
        ("features.parametrization", "fft", ["features.parametrization", "fourier", "'fft'"]),
        ("features.pictures", 99, ["features: pictures is 99", "raise batch_size"]),
        ("features.pad", 0.5, ["features.pad", "less than 0.5"]),
        ("features.noise", 1, ["features.noise", "2"]),
        (
            "features.diversty",
            1.0,
            ["unknown key 'features.diversty'", "did you mean 'diversity'?"],
        ),
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
        ("extract.test_images", 19, ["dimension.blocks is 20", "only 19 images"]),
        ("extract.train_images", 1, ["extract.train_images", "2"]),
        ("extract.dtype", "float8", ["extract.dtype", "bfloat16"]),
        ("dataset.source", "imagenet", ["dataset", "imagenet", "fashion_mnist"]),
        ("device", "gpu", ["device", "cuda"]),
        ("layers", {}, ["layers"]),
        ("layers", {"a.b": "layer1"}, ["layers.a.b", "plain word"]),
        ("layers", {"Late": "layer1"}, ["layers.Late", "plain word"]),
        ("layers", {"a b": "layer1"}, ["layers.a b", "plain word"]),
        ("layers", {"../x": "layer1"}, ["plain word"]),
        ("layers", {"late": "layer3", "again": "layer3"}, ["layers.again", "layers.late"]),
        ("report.headline_layer", "nope", ["report.headline_layer", "nope", "early, late, middle"]),
        ("report.images_per_latent", 999, ["report.images_per_latent", "sae.top_images"]),
    ],
)
def test_bad_values_are_refused(values, place, value, parts):
    values = copy.deepcopy(values)
    *sections, key = place.split(".") if place != "layers" else ["layers"]
    target = values
    for section in sections:
        target = target[section]
    target[key] = value
    assert_refused(values, *parts)


def test_a_companion_may_have_more_latents_and_active_ones_than_the_main_sae(values):
    values["sae"]["companions"] = {"wide": {"latents": 6000, "k": 5000}, "same": {}}
    companions = reading.parse(values).sae.companions
    assert companions["wide"].k == 5000
    assert companions["same"] == Companion()


def test_a_missing_section_is_named(values):
    del values["probes"]
    assert_refused(values, "probes is missing")


def test_all_problems_are_named_at_once(values):
    values["sae"]["kk"] = 1
    values["seed"] = "x"
    assert_refused(values, "sae.kk", "seed")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("seed: 0\nseed: 1\n", ["line 2", "duplicate key"]),
        ("layers:\n  late: a\n  late: b\n", ["line 3", "duplicate key"]),
        ("seed: [0\n", ["line"]),
        ("", ["empty"]),
        ("- 1\n", ["no mapping"]),
    ],
)
def test_bad_yaml_is_refused_with_its_line(tmp_path, text, parts):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(TickleError) as caught:
        reading.read(path)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(TickleError, match="missing: run from"):
        reading.read(tmp_path / "params.yaml")


def test_lookup_follows_dots(values):
    assert reading.lookup(values, "sae.k") == values["sae"]["k"]
    assert reading.lookup(values, "layers.late") == "layer3"
    assert reading.lookup(values, "sae.none.of.this") is None


def test_every_knob_is_explained():
    """Each block of the default file carries a comment banner with its name."""
    text = (ROOT / "params.yaml").read_text()
    for section in set(Params.model_fields) - {"seed", "device"}:
        assert re.search(rf"^# {section}: \w", text, re.MULTILINE), section


def test_an_unknown_source_is_answered_with_the_nearest(values):
    values["model"]["source"] = "torchvison"
    with pytest.raises(
        TickleError, match=r"model.source is 'torchvison'; did you mean 'torchvision'"
    ):
        reading.parse(values)


def test_mappings_come_in_the_order_of_their_keys(values):
    """Whichever comes first in the file: DVC does not see it, so nothing may depend on it."""
    turned = {key: values[key] for key in reversed(values)}
    turned["layers"] = {key: values["layers"][key] for key in reversed(values["layers"])}
    companions = values["sae"]["companions"]
    turned["sae"] = values["sae"] | {"companions": dict(reversed(companions.items()))}
    one, two = reading.parse(values), reading.parse(turned)
    assert one.model_dump_json() == two.model_dump_json()
    assert list(two.layers) == sorted(values["layers"])
