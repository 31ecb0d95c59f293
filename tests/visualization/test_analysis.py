"""The whole analysis on small networks: grey and RGB convolutions and a vision transformer."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import VisionTransformer

from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.datasets import image_set
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.maximization import ascent, parametrization
from tickle_core.maximization.families import OVER_PATCHES
from tickle_core.maximization.objectives import Objective, Readout
from tickle_core.models.classifier import Classifier
from tickle_core.models.layers import survey
from tickle_core.models.small_resnet import SmallResNet
from tickle_core.params.extract import Extract
from tickle_core.params.features import Features
from tickle_core.results import write_json
from tickle_core.visualization import (
    analysis,
    chance,
    excitation,
    measuring,
    natural,
    roads,
    selection,
    tables,
)
from tickle_core.visualization.measuring import Subject

COUNT, CLASSES, LATENTS = 120, 3, 24
EXTRACT = Extract(train_images=None, test_images=None, batch_size=16, dtype="float16", shard_mib=1)
SECTION = Features(
    parametrization="fourier",
    steps=3,
    learning_rate=0.05,
    channels=3,
    neurons=1,
    latents=2,
    logits=2,
    pictures=2,
    diversity=0.1,
    l2=0.0,
    total_variation=0.0,
    pad=0.05,
    jitter=0.05,
    scale=0.1,
    rotate=10.0,
    batch_size=4,
    natural=4,
    noise=5,
)


def transformer():
    network = VisionTransformer(32, 8, 3, 2, 16, 32, num_classes=CLASSES)
    nn.init.normal_(network.heads.head.weight)  # which torchvision leaves at zero
    return network


# Side, channels, network, layer.
CASES = {
    "grey": (28, 1, lambda: SmallResNet(1, CLASSES), "layer2"),
    "rgb": (36, 3, lambda: SmallResNet(3, CLASSES), "layer3"),
    "vit": (32, 3, transformer, "encoder.layers.encoder_layer_1"),
    "no cut": (28, 1, lambda: SmallResNet(1, CLASSES), "layer2.0.conv1"),
    "first": (28, 1, lambda: SmallResNet(1, CLASSES), "stem.0"),
    "vector": (28, 1, lambda: SmallResNet(1, CLASSES), "fc"),
}


def make_subject(case, folder):
    side, channels, build, module = CASES[case]
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (COUNT, side, side, channels), dtype=np.uint8)
    pixels[::3, : side // 2] //= 4
    pixels[1::5, :, : side // 3] = 255
    names = [f"class {i}" for i in range(CLASSES)]
    hashes = image_set.write_images(folder, pixels, COUNT, pixels[0].shape, names)
    splits = ["train" if i % 2 else "test" for i in range(COUNT)]
    labels = [i % CLASSES for i in range(COUNT)]
    image_set.write_table(folder, splits, labels, [str(i) for i in range(COUNT)], hashes, names)
    images = image_set.ImageSet.open(folder)

    torch.manual_seed(0)
    network = build().eval()
    example = torch.zeros(1, channels, side, side)
    card = {
        "class_names": names,
        "classes_of_dataset": {name: i for i, name in enumerate(names)},
        "preprocessing": {"mean": [0.4] * channels, "std": [0.3] * channels},
        "layers": survey(network, example),
    }
    classifier = Classifier(network, card, torch.device("cpu"))
    extract(classifier, images, np.arange(COUNT), [Target("a", module, folder / "a.zarr")], EXTRACT)
    store = open_store(folder / "a.zarr")

    sae = SparseAutoencoder(store.tokens.shape[2], LATENTS, "topk", 4).eval()
    generator = torch.Generator().manual_seed(0)
    sae.w_enc.data = torch.randn(sae.w_enc.shape, generator=generator)
    numbers = np.arange(LATENTS)
    latents = pd.DataFrame({"latent": numbers, "density": 0.1, "mean_square": numbers / LATENTS})
    return Subject(classifier, images, store, module, sae, latents)


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    made = {}

    def subject(case):
        if case not in made:
            made[case] = make_subject(case, tmp_path_factory.mktemp("subject"))
        return made[case]

    return subject


def section(**changes):
    return SECTION.model_copy(update=changes)


def readout_of(subject, objectives):
    layer = subject.classifier.card["layers"][subject.module]
    sources = chance.sources(subject.store, subject.sae, objectives, 0)
    return Readout(objectives, layer, sources, torch.device("cpu"))


def run(subject, folder, section=SECTION, seed=0):
    """The bytes of all that an analysis writes, and what it found."""
    kept, out = folder / "kept", folder / "out"
    kept.mkdir(parents=True, exist_ok=True)
    out.mkdir()
    found = analysis.visualize(subject, section, seed, kept)
    analysis.save(found, out)
    write_json(out / "metrics.json", found.metrics)  # refuses NaN
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): path.read_bytes() for path in files}, found


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_network_and_layer(subjects, tmp_path, case):
    subject = subjects(case)
    written, found = run(subject, tmp_path)
    side, channels, _, _ = CASES[case]
    table = pd.read_parquet(tmp_path / "out" / "pictures.parquet")
    counts = table.groupby("family", sort=False).size().to_dict()
    predicted = len(np.unique(subject.store.logits()[subject.store.test_rows].argmax(1)))
    expected = {"channel": 6, "neuron": 2, "layer": 2, "latent": 4, "logit": 2 * min(2, predicted)}
    # Of random units as many as of the largest family that they are the null of.
    expected |= {"direction": 6, "point": 2, "mixture": expected["logit"]}
    if case == "vector":
        del expected["neuron"], expected["point"]
    assert counts == expected
    assert {name for name in written if name.endswith(".png")} == {
        f"pictures/{file}" for file in table["file"]
    }
    first = Image.open(tmp_path / "out" / "pictures" / table["file"][0])
    assert first.size == (side, side) and first.mode == {1: "L", 3: "RGB"}[channels]
    np.testing.assert_array_equal(np.asarray(first).reshape(side, side, channels), found.images[0])

    prefix = len(subject.store.prefix)
    assert prefix == (case == "vit")
    spatial = ~table["family"].isin(["layer", "logit", "mixture"])
    assert (table["position"][spatial] >= prefix).all()
    assert (table["position"][~spatial] == -1).all()
    assert (table["name"] != "").tolist() == (table["family"] == "logit").tolist()
    assert table["fires"].notna().tolist() == (table["family"] == "latent").tolist()
    assert (table["mean"] <= table["score"] + 1e-4).all()
    assert (table["score"] <= table["maximum"] + 1e-4).all()
    pooled = table["family"].isin(OVER_PATCHES)
    assert (table["mean"] == table["maximum"])[~pooled].all()

    before = found.metrics["layers_before"]
    assert (case == "first") == (not before)
    by_layer = pd.read_parquet(tmp_path / "out" / "roads.parquet")
    assert len(by_layer) == len(table) * len(before)
    means = by_layer.groupby(["family", "unit", "copy"], sort=False)["angle"].mean()
    if before:
        np.testing.assert_allclose(table["angle"], means)
    else:
        assert table["angle"].isna().all() and table["other_road"].isna().all()
    for of_family in found.metrics["families"].values():
        assert (of_family["other_road"]["value"] is None) == (not before)
        assert of_family["above_noise"]["n"] == of_family["units"]
    images = pd.read_parquet(tmp_path / "out" / "natural.parquet")
    best = images[(images["side"] == "most") & (images["rank"] == 0)]["score"].repeat(2)
    np.testing.assert_array_equal(best, table["natural_best"])
    assert len(images) == len(table) // 2 * 2 * 4


@pytest.mark.parametrize("case", ["grey", "vit"])
def test_a_natural_image_as_a_picture_scores_as_it_does_among_natural_ones(subjects, case):
    subject = subjects(case)
    position = len(subject.store.prefix) + 3
    chosen = [
        *(Objective("channel", unit) for unit in (0, 5)),
        Objective("neuron", 2, position),
        Objective("layer", 0),
        Objective("latent", 7),
        Objective("logit", 1),
    ]
    readout = readout_of(subject, [*chosen, *chance.units(chosen)])
    found = natural.survey(subject.store, readout, 2, 0)
    best = subject.images.read(found.most.image_ids.T.ravel())
    pictures = best.reshape(len(readout.objectives), 2, *best.shape[1:])
    measured = measuring.measure(subject, [], readout, pictures)
    np.testing.assert_allclose(measured.scores, found.most.scores.T, rtol=2e-3, atol=5e-3)
    np.testing.assert_array_equal(measured.positions, found.most.positions.T)
    assert measured.fires[0, 0] is None


def test_pictures_are_compared_with_those_of_other_units_of_their_family(subjects):
    subject = subjects("grey")
    units = [Objective("channel", 0), Objective("channel", 1), Objective("layer", 0)]
    one, other, third = subject.images.read(subject.store.image_ids[:3])
    pictures = np.stack([[one, one], [one, other], [third, third]])
    measured = measuring.measure(subject, [], readout_of(subject, units), pictures)
    np.testing.assert_allclose(measured.similarity[[0, 2]], 1, rtol=1e-5)
    alike = measured.similarity[1, 0]
    assert alike == measured.similarity[1, 1] < 0.9999
    expected = [[(1 + alike) / 2, (1 + alike) / 2], [1, alike]]
    np.testing.assert_allclose(measured.to_others[:2], expected, rtol=1e-5)
    assert np.isnan(measured.to_others[2]).all()
    alone = measuring.measure(subject, [], readout_of(subject, units), pictures[:, :1])
    assert np.isnan(alone.similarity).all()


def test_noise_is_scored_as_images_are(subjects):
    subject = subjects("vit")
    units = [Objective("channel", 3), Objective("latent", 7), Objective("latent", 2)]
    readout = readout_of(subject, units)
    noise = measuring.measure_noise(subject, readout, 25, 4, seed=0)
    assert noise.scores.shape == (25, 3)
    again = measuring.measure_noise(subject, readout, 25, 7, seed=0)
    np.testing.assert_allclose(again.scores, noise.scores, rtol=1e-4, atol=1e-5)
    assert np.isnan(noise.fires[0]) and ((noise.fires[1:] >= 0) & (noise.fires[1:] <= 1)).all()
    assert len(measuring.measure_noise(subject, readout, 1000, 16, seed=0).scores) == COUNT // 2


def test_a_latent_fires_where_a_patch_has_it_active(subjects):
    subject = subjects("vit")
    (image,) = subject.images.read(subject.store.image_ids[:1])
    every = [Objective("latent", unit) for unit in range(LATENTS)]
    pictures = np.repeat(image[None, None], LATENTS, 0)
    measured = measuring.measure(subject, [], readout_of(subject, every), pictures)
    ((_, tokens),) = subject.store.token_blocks(np.array([0]))
    active = subject.sae.encode(torch.from_numpy(tokens[0]).float()).detach().numpy() > 0
    assert measured.fires[:, 0].tolist() == active[1:].any(0).tolist()
    assert (active[0] & ~active[1:].any(0)).any()  # on the class token alone


@pytest.mark.parametrize("case", ["grey", "vit"])
def test_what_images_excite_before_a_layer_is_pooled_as_in_the_store(subjects, monkeypatch, case):
    subject = subjects(case)
    last = list(subject.classifier.card["layers"])[-1]
    ids = subject.store.image_ids[[7, 3, 3, 90, 50]]
    monkeypatch.setattr(excitation, "batch_size", lambda images: 2)
    found = excitation.natural_excitations(
        subject.classifier, last, [subject.module], subject.images, ids
    )
    expected = subject.store.pooled()[[7, 3, 3, 90, 50]]
    np.testing.assert_allclose(found[subject.module], expected, rtol=1e-4, atol=1e-5)


def test_a_best_image_as_the_picture_has_angle_0(subjects, tmp_path, monkeypatch):
    subject, one = subjects("grey"), section(natural=1, pictures=1, logits=0, neurons=0)
    chosen = selection.select(subject.store, subject.latents, one)
    every = [*chosen, *chance.units(chosen)]
    found = natural.survey(subject.store, readout_of(subject, every), 1, 0)
    best = dict(zip(every, found.most.image_ids[0], strict=True))

    def copied(_classifier, _module, readout, *_):
        return subject.images.read([best[each] for each in readout.objectives])[:, None]

    monkeypatch.setattr(ascent, "maximize", copied)
    _, visualized = run(subject, tmp_path, one)
    np.testing.assert_allclose(visualized.pictures["angle"], 0, atol=1e-3)
    assert not visualized.pictures["other_road"].any()
    assert (visualized.pictures["angle_natural"] > 1).all()
    assert visualized.roads["best_mean"].isna().all()
    assert visualized.metrics["families"]["channel"]["similarity"]["value"] is None
    ratio = visualized.metrics["families"]["channel"]["ratio"]
    assert ratio["value"] == pytest.approx(1, abs=0.01)


def test_two_runs_write_the_same_bytes_and_another_seed_others(subjects, tmp_path):
    subject = subjects("vit")
    once, _ = run(subject, tmp_path / "once")
    assert run(subject, tmp_path / "twice")[0] == once
    other, _ = run(subject, tmp_path / "other", seed=1)
    changed = [name for name in once if name.endswith(".png") and once[name] != other.get(name)]
    assert len(changed) > 8


def test_a_killed_run_is_taken_up_to_the_same_bytes(subjects, tmp_path, monkeypatch):
    subject = subjects("grey")
    whole, _ = run(subject, tmp_path / "whole")
    maximize, calls = ascent.maximize, []

    def counting(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return maximize(*arguments)

    monkeypatch.setattr(ascent, "maximize", counting)
    with pytest.raises(KeyboardInterrupt):
        run(subject, tmp_path / "broken")
    (tmp_path / "broken" / "out").rmdir()
    kept = tmp_path / "broken" / "kept"
    assert len(list(kept.iterdir())) == 2
    (kept / "00002.partial").write_bytes(b"half a batch")  # what a kill may leave behind
    calls.extend([None] * 10)
    batches = len(list((tmp_path / "whole" / "kept").iterdir()))
    assert run(subject, tmp_path / "broken")[0] == whole
    assert len(calls) - 13 == batches - 2


def test_random_units_take_the_same_path(subjects, tmp_path, monkeypatch):
    """A unit that is a random direction, and the random direction itself: the same picture."""
    subject = subjects("grey")
    few = section(channels=1, latents=2, neurons=0, logits=0, diversity=0.0)
    chosen = selection.select(subject.store, subject.latents, few)
    directions = chance.sources(subject.store, subject.sae, chance.units(chosen), 0).directions
    latents = [each.unit for each in chosen if each.family == "latent"]
    planted = copy.deepcopy(subject.sae)
    planted.w_enc.data[latents] = 3 * directions[: len(latents)]
    planted.b_enc.data[latents] = 100.0
    randomness = parametrization.generators

    def alike(seed, objective, copies):
        twin = dict(zip(latents, range(2), strict=True)).get(objective.unit, objective.unit)
        return randomness(seed, Objective("direction", twin), copies)

    monkeypatch.setattr(ascent, "generators", alike)
    _, found = run(dataclasses.replace(subject, sae=planted), tmp_path, few)
    pictures = found.pictures
    places = {
        family: np.flatnonzero(pictures["family"] == family) for family in ("latent", "direction")
    }
    one, other = (found.images[places[family]].astype(float) for family in places)
    assert np.abs(one - other).mean() < 1 < np.abs(one - one[::-1]).mean()
    metrics = found.metrics["families"]
    assert metrics["latent"]["ratio"]["null"] == metrics["direction"]["ratio"]["value"]
    assert metrics["latent"]["ratio"]["value"] == pytest.approx(
        metrics["direction"]["ratio"]["value"], rel=0.05
    )


def test_every_row_holds_what_was_found_of_its_picture():
    units = [Objective("channel", 7), Objective("logit", 1)]
    grid = np.arange(6).reshape(2, 3)
    measured = measuring.Measured(
        scores=grid + 0.0,
        positions=grid,
        maxima=grid + 0.5,
        means=grid - 0.5,
        fires=grid.astype(object),
        similarity=grid / 10,
        to_others=grid / 20,
        before={},
    )
    ends = natural.Extremes(*(np.array([[4, 5]]) for _ in range(3)))
    found = natural.Natural(
        ends, ends, np.ones(2), *(np.array([i, i + 1.0]) for i in range(1, 5)), images=9
    )
    compared = [
        roads.Roads({}, {}, {}, np.array([10.0, 20, 30]), 80.0, np.array([True, False, False])),
        roads.Roads({}, {}, {}, np.array([40.0, 50, 60]), 90.0, None),
    ]
    noise = measuring.Noise(np.array([[1.0, 10], [3, 30]]), np.array([0.25, np.nan]))
    table = tables.pictures(units, ["a", "b"], found, measured, noise, compared)
    assert table["unit"].tolist() == [7] * 3 + [1] * 3
    assert table["name"].tolist() == [""] * 3 + ["b"] * 3
    assert table["copy"].tolist() == [0, 1, 2] * 2
    assert table["file"][4] == "logit-1-1.png"
    assert table["score"].tolist() == table["position"].tolist() == list(range(6))
    assert table["maximum"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert table["mean"].tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]
    names = ("natural_best", "natural_median", "natural_high", "natural_maximum", "natural_mean")
    for name, value in zip(names, (4, 1, 2, 3, 4), strict=True):
        assert table[name].tolist() == [value] * 3 + [value + 1] * 3
    assert table["noise_mean"].tolist() == [2] * 3 + [20] * 3
    assert table["noise_max"].tolist() == [3] * 3 + [30] * 3
    assert table["noise_fires"].tolist()[:3] == [0.25] * 3 and table["noise_fires"][3:].isna().all()
    assert table["similarity"].tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert table["angle"].tolist() == [10, 20, 30, 40, 50, 60]
    assert table["angle_natural"].tolist() == [80] * 3 + [90] * 3
    assert table["other_road"].tolist() == [True, False, False, None, None, None]
