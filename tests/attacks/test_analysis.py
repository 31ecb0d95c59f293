"""The stage as a whole, on a small network: what is attacked, what is written, what is refused."""

import dataclasses

import numpy as np
import pytest
import torch

from stages.attack import write_perturbed
from tests.attacks.test_battery import section
from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.attacks import analysis
from tickle_core.attacks.controls import KINDS
from tickle_core.datasets import image_set
from tickle_core.errors import TickleError
from tickle_core.models.assembly import assemble
from tickle_core.models.zoo.registry import small_resnet
from tickle_core.params.extract import Extract

COUNT = 60
NAMES = ["bars", "blobs"]


def make_images(path, names):
    rng = np.random.default_rng(0)
    labels = np.arange(COUNT) % 2
    pixels = rng.integers(0, 60, (COUNT, 28, 28, 1))
    pixels[labels == 0, ::4] += 150
    pixels[labels == 1, 8:20, 8:20] += 150
    pixels = pixels.astype(np.uint8)
    path.mkdir()
    hashes = image_set.write_images(path, pixels, COUNT, (28, 28, 1), names)
    sources = [str(i) for i in range(COUNT)]
    image_set.write_table(path, ["test"] * COUNT, labels.tolist(), sources, hashes, names)
    return image_set.ImageSet.open(path)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return make_images(tmp_path_factory.mktemp("attack") / "images", NAMES)


@pytest.fixture(scope="module")
def model(images):
    """A network whose last layer tells the two classes apart, fitted to what the others give."""
    labels = torch.tensor(images.table["label"].tolist())
    preprocessing = {"mean": [0.3], "std": [0.3]}
    entry = dataclasses.replace(small_resnet(images), preprocessing=preprocessing)
    made = assemble(entry, images, 0, torch.device("cpu"))
    last = made.network.fc
    pooled = []
    handle = last.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    with torch.no_grad():
        made.network(made.preprocess(images.read(range(COUNT))))
    handle.remove()
    acts = torch.cat(pooled)
    middle = (acts[labels == 0].mean(0) + acts[labels == 1].mean(0)) / 2
    apart = acts[labels == 1].mean(0) - acts[labels == 0].mean(0)
    with torch.no_grad():
        last.weight.copy_(torch.stack([-apart, apart]) * 20 / apart.norm() ** 2)
        last.bias.copy_(-last.weight @ middle)
    return made


@pytest.fixture(scope="module")
def found(model, images):
    return analysis.analyse(model, images, np.arange(COUNT), settings(), 0)


def settings(**changes):
    small = {"linf": [8 / 255, 40 / 255], "l2": [1.0], "steps": 4, "noise_draws": 2}
    small |= {"studied": {"norm": "linf", "eps": 40 / 255}}
    return section(**(small | changes))


def test_every_attacked_image_is_there_once_for_each_ball(found):
    table = found.tables["attacks"]
    attacked = found.metrics["images"]["attacked"]
    assert attacked > COUNT / 2
    assert (table.groupby(["norm", "eps"]).size() == attacked).all()
    assert not table.duplicated(["norm", "eps", "image_id"]).any()


def test_perturbed_images_are_those_that_fell_in_the_studied_ball(found, model, images):
    perturbed = found.perturbed
    assert 0 < len(perturbed.image_ids) <= found.metrics["images"]["attacked"]
    assert list(perturbed.images) == list(KINDS)
    clean = images.read(perturbed.image_ids).astype(int)
    for kind in ("adversarial", "noise"):
        assert np.abs(perturbed.images[kind] - clean).max() <= 40
    with torch.no_grad():
        made = model.preprocess(perturbed.images["adversarial"])
        became = model.network(made).argmax(1).numpy()
    np.testing.assert_array_equal(became, perturbed.became)
    assert (perturbed.became != perturbed.own).all()
    share = len(became) / found.metrics["images"]["attacked"]
    assert found.metrics["success"]["value"] == pytest.approx(share)


def test_shares_add_up(found):
    images = found.metrics["images"]
    for radii in found.metrics["norms"].values():
        for each in radii.values():
            fallen = each["pgd"]["value"] * images["attacked"]
            robust = each["robust_accuracy"]["value"] * images["drawn"]
            assert robust == pytest.approx(images["right"] - fallen)
            assert each["pgd"]["value"] >= each["fgsm"]["value"] - 1e-9
            assert each["before_rounding"]["value"] >= each["pgd"]["value"] - 1e-9
    assert found.tables["flips"]["count"].sum() == len(found.perturbed.image_ids)


def test_two_runs_give_the_same_bytes(found, model, images, tmp_path):
    again = analysis.analyse(model, images, np.arange(COUNT), settings(), 0)
    assert again.metrics == found.metrics
    for name, table in found.tables.items():
        assert again.tables[name].equals(table), name
    written = []
    for name, each in {"one": found, "other": again}.items():
        (tmp_path / name).mkdir()
        write_perturbed(tmp_path / name, images, each.perturbed)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        written.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert written[0] == written[1]


def test_some_images_are_attacked_as_what_they_are(model, images):
    ids = np.arange(1, COUNT, 3)
    some = analysis.analyse(model, images, ids, settings(), 0)
    labels = images.table["label"].to_numpy()
    table = some.tables["attacks"]
    assert set(table["image_id"]) <= set(ids)
    np.testing.assert_array_equal(labels[table["image_id"]], table["own"])
    np.testing.assert_array_equal(labels[some.perturbed.image_ids], some.perturbed.own)
    assert (np.diff(some.perturbed.image_ids) > 0).all()


def test_batches_change_nothing_but_random_starts(found, model, images, monkeypatch):
    monkeypatch.setattr(analysis, "batch_size", lambda _: 7)
    small = analysis.analyse(model, images, np.arange(COUNT), settings(), 0)
    assert small.tables["attacks"].shape == found.tables["attacks"].shape
    key = ["norm", "eps", "image_id"]
    assert not small.tables["attacks"].duplicated(key).any()
    assert (np.diff(small.perturbed.image_ids) > 0).all()
    one, other = (
        each.tables["attacks"].sort_values(key, ignore_index=True) for each in (small, found)
    )
    assert (one["fgsm"] == other["fgsm"]).mean() > 0.95  # but for rounding


def test_where_classes_are_not_the_models_predictions_are_attacked(model, images):
    card = model.card | {"classes_of_dataset": dict.fromkeys(NAMES)}
    stranger = type(model)(model.network, card, model.device)
    found = analysis.analyse(stranger, images, np.arange(COUNT), settings(), 0)
    assert found.metrics["images"] == {
        "drawn": COUNT,
        "known": 0,
        "right": COUNT,
        "attacked": COUNT,
    }
    assert found.metrics["clean_accuracy"]["value"] is None
    assert "predictions are attacked" in found.metrics["clean_accuracy"]["why"]
    assert found.metrics["success"]["value"] > 0


def nothing_is_right(model, images):
    card = model.card | {"classes_of_dataset": {NAMES[0]: 1, NAMES[1]: 0}}
    wrong = type(model)(model.network, card, model.device)
    labels = images.table["label"].to_numpy()
    with torch.no_grad():
        logits = model.network(model.preprocess(images.read(range(COUNT))))
    ids = np.flatnonzero(logits.argmax(1).numpy() == labels)
    return analysis.analyse(wrong, images, ids, settings(), 0)


def test_where_nothing_is_right_there_is_nothing_to_attack(model, images):
    found = nothing_is_right(model, images)
    assert found.metrics["images"]["attacked"] == 0
    assert found.metrics["success"]["value"] is None
    assert "nothing to attack" in found.metrics["success"]["why"]
    assert found.metrics["norms"]["linf"]["8/255"]["robust_accuracy"]["value"] == 0
    assert len(found.tables["attacks"]) == len(found.tables["classes"]) == 0


@pytest.mark.parametrize("empty", [False, True])
def test_what_is_written_can_be_extracted(found, model, images, tmp_path, empty):
    perturbed = nothing_is_right(model, images).perturbed if empty else found.perturbed
    write_perturbed(tmp_path, images, perturbed)
    opened = image_set.ImageSet.open(tmp_path / "perturbed")
    count = len(KINDS) * len(perturbed.image_ids)
    assert len(opened.table) == count
    np.testing.assert_array_equal(
        opened.read(np.arange(count)),
        np.concatenate([perturbed.images[kind] for kind in KINDS]),
    )
    target = Target("middle", "layer2", tmp_path / "middle.zarr")
    how = Extract(train_images=None, test_images=None, batch_size=16, dtype="float32", shard_mib=1)
    extract(model, opened, np.arange(count), [target], how)
    store = open_store(target.path)
    assert len(store.image_ids) == count


def test_a_target_is_reached_or_refused(model, images):
    found = analysis.analyse(model, images, np.arange(COUNT), settings(target="blobs"), 0)
    assert (found.perturbed.became == 1).all() and (found.perturbed.own == 0).all()
    assert set(found.tables["attacks"]["own"]) == {0}
    with pytest.raises(TickleError, match="attack.target: the model has no class 'blob'; .*blobs"):
        analysis.analyse(model, images, np.arange(COUNT), settings(target="blob"), 0)
