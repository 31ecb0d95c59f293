"""Exact ablation: identities, an independent implementation, planted units and their null."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from small_layers import make_layer, random, random_latents
from torch.nn import functional as F

from tickle_core import params
from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.circuits import effects as effects_module
from tickle_core.circuits import ranking
from tickle_core.circuits.ablation import CLASSES, UNITS, ablate
from tickle_core.circuits.effects import active_pairs, edited_logits, exact_effects
from tickle_core.circuits.ranking import KINDS
from tickle_core.circuits.units import Directions, Latents, channels
from tickle_core.datasets import image_set
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.models import splicing
from tickle_core.models.assembly import assemble
from tickle_core.models.tokens import to_tokens
from tickle_core.models.zoo.registry import small_resnet
from tickle_core.results import write_json

CPU = torch.device("cpu")
IMAGES, POSITIONS, D, CLASS_COUNT, LATENTS = 16, 6, 8, 4, 24
ROWS = np.arange(IMAGES)
WEIGHT = random(CLASS_COUNT, POSITIONS, D, seed=1)
SECTION = params.Circuits(
    images=IMAGES,
    units=4,
    directions=8,
    null_draws=3,
    classes=2,
    pairs=2,
    patched_share=0.1,
    traces=2,
    sites=4,
    examples=1,
)


def curved(acts):
    return torch.einsum("npd,cpd->nc", torch.tanh(acts), WEIGHT)


@pytest.fixture
def layer(tmp_path):
    return lambda tokens, run=curved: make_layer(tmp_path / "a.zarr", tokens, run)


@pytest.fixture
def tokens():
    return random(IMAGES, POSITIONS, D) + 0.3


def exact(units, sets, store, splice, rows=ROWS, mean=None, classes=(0,)):
    mean = np.zeros(len(units.directions)) if mean is None else mean
    return exact_effects(units, sets, mean, store, splice, rows, np.array(classes))


def of_predicted(clean, logits):
    label = clean.argmax(1, keepdim=True)
    return (clean - logits).gather(1, label).squeeze(1).numpy()


def test_without_any_channel_the_tail_sees_zeros(layer, tokens):
    store, splice = layer(tokens)
    units = channels(D, CPU)
    found = exact(units, [tuple(range(D))], store, splice)["zero"]
    nothing = curved(torch.zeros_like(tokens))
    np.testing.assert_allclose(found.predicted[0], of_predicted(curved(tokens), nothing), rtol=1e-5)


def test_without_a_whole_basis_of_directions_the_tail_sees_zeros(layer, tokens):
    store, splice = layer(tokens)
    units = Directions(torch.linalg.qr(random(D, D, seed=7))[0])
    found = exact(units, [tuple(range(D))], store, splice)["zero"]
    expected = of_predicted(curved(tokens), curved(torch.zeros_like(tokens)))
    np.testing.assert_allclose(found.predicted[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", ["topk", "relu"])
def test_without_any_latent_residual_and_bias_remain(layer, tokens, variant):
    store, splice = layer(tokens)
    units = random_latents(D, LATENTS, variant)
    found = exact(units, [tuple(range(LATENTS))], store, splice)["zero"]
    with torch.no_grad():
        residual = tokens - units.sae.decode(units.sae.encode(tokens))
        expected = of_predicted(curved(tokens), curved(residual + units.sae.b_dec))
    np.testing.assert_allclose(found.predicted[0], expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected).max() > 0.1


def test_its_own_coefficients_change_nothing_and_are_not_run(layer, tokens):
    tokens[IMAGES // 2 :] = tokens[: IMAGES // 2]  # every donor is the image again
    store, splice = layer(tokens)
    pairs = {"zero": 0, "mean": 0, "resample": 0}
    found = exact(channels(D, CPU), [(0,), (1, 2)], store, splice)
    assert np.all(found["resample"].predicted == 0)
    assert np.all(found["resample"].classes == 0)
    assert np.all(found["resample"].kept)
    for kind in ("zero", "mean"):
        pairs[kind] = np.count_nonzero(found[kind].predicted)
        assert pairs[kind] == 2 * IMAGES
    assert splice.tail.forward_passes == IMAGES + sum(pairs.values())


def test_a_channel_that_is_its_mean_everywhere_has_no_mean_ablation(layer, tokens):
    tokens[..., 5] = 0.75
    store, splice = layer(tokens)
    found = exact(channels(D, CPU), [(5,)], store, splice, mean=np.full(D, 0.75))
    assert np.all(found["mean"].predicted == 0)
    assert np.all(found["resample"].predicted == 0)
    assert np.abs(found["zero"].predicted).min() > 0.01


def test_skipping_silent_latents_changes_nothing_but_the_work(layer, tokens):
    store, splice = layer(tokens)
    units = random_latents(D, LATENTS, k=1)
    everything = torch.arange(LATENTS)
    own = units.coefficients(tokens.flatten(0, 1), everything).view(IMAGES, POSITIONS, -1)
    members = list(everything[:, None])
    active = active_pairs(-own, members)
    assert 0 < len(active) < 0.8 * LATENTS * IMAGES
    found = exact(units, [(unit,) for unit in range(LATENTS)], store, splice)["zero"]
    with torch.no_grad():
        every = torch.cartesian_prod(everything, torch.arange(IMAGES))
        parts = edited_logits(
            splice, tokens, store.image_ids, -own, units.directions, members, every
        )
        logits = torch.cat([logits for _, logits in parts]).view(LATENTS, IMAGES, -1)
    clean = curved(tokens)
    for unit in range(LATENTS):
        np.testing.assert_allclose(
            found.predicted[unit], of_predicted(clean, logits[unit]), atol=1e-5
        )


def test_batches_change_nothing(layer, tokens, monkeypatch):
    store, splice = layer(tokens)
    units, sets = random_latents(D, LATENTS), [(0,), (1,), (2, 3, 4), (5, 6)]
    whole = exact(units, sets, store, splice, ROWS[1::2])
    monkeypatch.setattr(ranking, "MOST_TOKENS", 3 * POSITIONS)
    monkeypatch.setattr(effects_module, "batch_size", lambda images: 5)
    parts = exact(units, sets, store, splice, ROWS[1::2])
    for kind in KINDS:
        np.testing.assert_allclose(parts[kind].predicted, whole[kind].predicted, atol=1e-5)
        np.testing.assert_allclose(parts[kind].classes, whole[kind].classes, atol=1e-5)
        np.testing.assert_array_equal(parts[kind].kept, whole[kind].kept)


# The second is no clean cut: its input reaches the logits beside it.
@pytest.mark.parametrize("module", ["layer2", "layer2.0.conv1"])
def test_effects_are_those_of_the_whole_network_with_one_edited_activation(tmp_path, module):
    count = 12
    pixels = np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
    pixels[::3] //= 4
    hashes = image_set.write_images(tmp_path / "images", pixels, count, (28, 28, 1), ["a", "b"])
    splits, labels = ["train", "test"] * (count // 2), [0, 1] * (count // 2)
    names = [str(i) for i in range(count)]
    image_set.write_table(tmp_path / "images", splits, labels, names, hashes, ["a", "b"])
    images = image_set.ImageSet.open(tmp_path / "images")
    model = assemble(small_resnet(images), images, 0, CPU)
    with torch.no_grad():  # a head that tells images apart, as no training did
        model.network.fc.weight *= 500
    section = params.Extract(
        train_images=None, test_images=None, batch_size=5, dtype="float32", shard_mib=1
    )
    extract(model, images, np.arange(count), [Target("l", module, tmp_path / "l")], section)
    store, splice = open_store(tmp_path / "l"), splicing.splice(model, images, module)
    assert bool(splice.tail.obstacle) == (module == "layer2.0.conv1")
    units = random_latents(store.tokens.shape[2], 64, k=4)
    tokens = torch.from_numpy(np.concatenate([acts for _, acts in store.token_blocks(ROWS)]))
    chosen = units.moments(tokens.flatten(0, 1))[1].topk(3).indices.tolist()
    rows, mean = store.test_rows, np.linspace(0, 1, 64)
    found = exact(units, [(unit,) for unit in chosen], store, splice, rows, mean, (1, 0))

    ids = store.image_ids[rows]
    layout = splice.layer["layout"]
    network, sae = model.network, units.sae

    def run(image, edit):
        def hook(part, inputs, output):
            acts = to_tokens(output, layout)[0]
            edited = acts + edit(acts)
            return edited.T.reshape(output.shape) if layout == "NCHW" else edited[None]

        handle = network.get_submodule(module).register_forward_hook(hook)
        try:
            return network(model.preprocess(images.read(np.array([image]))))[0]
        finally:
            handle.remove()

    acts_of = {}
    with torch.no_grad():
        for image in ids:
            run(image, lambda acts, image=image: acts_of.update({image: acts.clone()}) or 0 * acts)
        for i, image in enumerate(ids):
            clean = run(image, torch.zeros_like)
            donor = acts_of[ids[(i + len(ids) // 2) % len(ids)]]
            for s, unit in enumerate(chosen):
                for kind in KINDS:

                    def edit(acts, kind=kind, unit=unit, donor=donor):
                        new = {
                            "zero": 0,
                            "mean": mean[unit],
                            "resample": sae.encode(donor)[:, unit],
                        }
                        step = new[kind] - sae.encode(acts)[:, unit]
                        return step[:, None].float() * sae.w_dec[unit]

                    drop = clean - run(image, edit)
                    label = clean.argmax()
                    effects = found[kind]
                    np.testing.assert_allclose(effects.predicted[s, i], drop[label], atol=1e-3)
                    np.testing.assert_allclose(effects.classes[s, i], drop[[1, 0]], atol=1e-3)
                    assert effects.kept[s, i] == bool((clean - drop).argmax() == label)
    assert all(np.abs(found[kind].predicted).max() > 0.3 for kind in KINDS)


def planted(count=80, d=12, driving=7):
    """Logits that depend on one direction of the tokens alone, its sign being the class."""
    made = random(count, POSITIONS, d, seed=5)

    def run(acts):
        level = acts[..., driving].mean(1)
        return torch.stack([level, -level], dim=1)

    return made, run


def test_the_one_channel_that_drives_the_logits_is_found(layer):
    tokens, run = planted()
    store, splice = layer(tokens, run)
    found = ablate(
        {"channels": channels(12, CPU)}, store, ROWS, np.arange(16, 80), splice, SECTION, 0
    )
    table = found.units.set_index(["kind", "unit"])
    for kind in KINDS:
        rows = table.loc[kind]
        assert rows.index[0] == 7 and rows.loc[7, "role"] == "top"
        others = rows.drop(index=7)
        assert rows.loc[7, "p_value"] < 0.01
        assert rows.loc[7, "low"] > 0
        assert np.all(others["effect"].abs() < 1e-6)
        metrics = found.metrics["channels"]["kinds"][kind]
        assert metrics["top"]["significant_share"]["value"] == pytest.approx(1 / 4)
        assert metrics["controls"]["significant_share"]["value"] == 0
        first = metrics["groups"][0]
        assert first["size"] == 1
        assert first["effect"]["value"] == pytest.approx(rows.loc[7, "effect"])
        assert first["effect"]["interval"] == pytest.approx(
            [rows.loc[7, "low"], rows.loc[7, "high"]]
        )
        assert first["effect_size"]["value"] == pytest.approx(rows.loc[7, "effect_size"])
        assert first["null"]["effect"]["mean"] == pytest.approx(0, abs=1e-6)
        assert first["null"]["kept"]["mean"] == 1
    # Without the level that tells them apart, both logits are 0 and the first class wins.
    level = tokens[16:, :, 7].mean(1)
    zero = found.metrics["channels"]["kinds"]["zero"]["groups"][0]
    assert zero["kept"]["value"] == pytest.approx(float((level >= 0).double().mean()))
    assert zero["effect"]["value"] == pytest.approx(float(level.abs().mean()), rel=1e-4)


def test_the_one_latent_that_drives_the_logits_is_found_beyond_its_controls(layer):
    """Latents that are axes of the tokens, sparse and equally active; one of them counts."""
    d, driving = 16, 11
    generator = torch.Generator().manual_seed(0)
    tokens = torch.rand(60, POSITIONS, d, generator=generator)
    tokens *= torch.rand(60, POSITIONS, d, generator=generator) < 0.3
    sae = SparseAutoencoder(d, d, "relu", 1)
    with torch.no_grad():
        sae.w_dec.copy_(torch.eye(d))
        sae.w_enc.copy_(torch.eye(d))

    def run(acts):
        level = acts[..., driving].square().sum(1)
        return torch.stack([torch.full_like(level, 0.1), level], dim=1)

    store, splice = layer(tokens, run)
    found = ablate({"latents": Latents(sae)}, store, ROWS, np.arange(16, 60), splice, SECTION, 0)
    metrics = found.metrics["latents"]
    assert metrics["units"] == metrics["alive"] == d
    assert metrics["chosen"] == SECTION.units
    assert 0.7 < metrics["activity_ratio"] < 1.4
    zero = metrics["kinds"]["zero"]
    assert found.units["unit"][0] == driving
    assert zero["top"]["effect"]["value"] > 0.1
    assert zero["controls"]["effect"]["value"] < 1e-6
    assert zero["signed_correlation"]["n"] == 2 * SECTION.units
    largest = zero["groups"][-1]
    assert largest["size"] == SECTION.units
    assert largest["effect"]["value"] > 0.1 > largest["null"]["effect"]["interval"][1]
    assert largest["kept"]["value"] < 0.5
    assert largest["null"]["kept"]["mean"] == 1
    assert 1 < largest["null"]["draws"] <= SECTION.null_draws


@pytest.fixture
def everything(layer, tokens):
    store, splice = layer(tokens)
    families = {
        "channels": channels(D, CPU),
        "latents": random_latents(D, LATENTS),
        "directions": Directions(torch.linalg.qr(random(D, D, seed=7))[0]),
    }
    return lambda: ablate(families, store, ROWS[::2], ROWS[1::2], splice, SECTION, 3)


def test_tables_and_metrics_agree_and_are_the_same_every_time(everything, tmp_path):
    first, second = everything(), everything()
    write_json(tmp_path / "a.json", first.metrics)
    write_json(tmp_path / "b.json", second.metrics)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert first.units.equals(second.units) and first.classes.equals(second.classes)
    assert list(first.units.columns) == UNITS and list(first.classes.columns) == CLASSES
    assert not first.units.isna().any(axis=None) and not first.classes.isna().any(axis=None)
    for (family, kind), rows in first.units.groupby(["family", "kind"]):
        metrics = first.metrics[family]["kinds"][kind]
        top, controls = (rows[rows["role"] == role] for role in ("top", "control"))
        assert len(top) == len(controls) == first.metrics[family]["chosen"] == SECTION.units
        assert controls["matched"].tolist() == top["unit"].tolist()
        assert np.all(top["matched"] == -1)
        for name, part in (("top", top), ("controls", controls)):
            for number in ("effect", "effect_size"):
                mean = part[number].abs().mean()
                assert metrics[name][number]["value"] == pytest.approx(mean)
        assert np.all((rows["low"] <= rows["effect"]) & (rows["effect"] <= rows["high"]))
        assert set(rows["images"]) == {IMAGES // 2}
        ratio = controls["activity"].to_numpy() / top["activity"].to_numpy()
        assert first.metrics[family]["activity_ratio"] == pytest.approx(np.median(ratio))
    assert len(first.units) == 3 * 3 * 2 * SECTION.units
    assert len(first.classes) == len(first.units) * SECTION.classes


def test_effect_size_is_the_drop_in_standard_deviations_of_the_clean_logit(layer, tokens):
    store, splice = layer(tokens)
    units, judging = channels(D, CPU), ROWS[:5]
    found = ablate({"channels": units}, store, ROWS, judging, splice, SECTION, 0)
    metrics, table = found.metrics["channels"]["kinds"]["zero"], found.units
    values = exact(units, [(unit,) for unit in range(D)], store, splice, judging)["zero"].predicted
    tokens = torch.from_numpy(store.tokens[judging]).float()
    spread = splice.logits(tokens, store.image_ids[judging]).amax(1).double().numpy().std(ddof=1)
    expected = values.mean(1) / spread
    rows = table[table["kind"] == "zero"]
    np.testing.assert_allclose(rows["effect_size"], expected[rows["unit"]], rtol=1e-5)
    group = exact(units, [tuple(rows["unit"][:2])], store, splice, judging)["zero"].predicted[0]
    found = metrics["groups"][1]["effect_size"]
    assert found["value"] == pytest.approx(group.mean() / spread, rel=1e-5)
    assert found["interval"][0] < found["value"] < found["interval"][1]
    np.testing.assert_allclose(
        metrics["rank_correlation"]["value"],
        spearmanr(
            screen_sizes(units, store, splice, judging)[rows["unit"]],
            np.abs(values).mean(1)[rows["unit"]],
        ).statistic,
    )


def screen_sizes(units, store, splice, rows):
    return ranking.rank({"": units}, store, splice, rows)[""].size["zero"]


def test_behind_a_linear_tail_screen_and_exact_runs_rank_alike(layer, tokens):
    """In every kind of ablation, though other images chose the units and gave the means."""
    weights = random(D, CLASS_COUNT, seed=9)
    store, splice = layer(tokens, lambda acts: acts.mean(1) @ weights)
    half = IMAGES // 2
    found = ablate(
        {"channels": channels(D, CPU)}, store, ROWS[:half], ROWS[half:], splice, SECTION, 0
    )
    for kind in found.metrics["channels"]["kinds"].values():
        assert kind["rank_correlation"]["value"] == pytest.approx(1)
        assert kind["signed_correlation"]["value"] == pytest.approx(1)


def test_class_effects_are_of_the_classes_predicted_most_often(layer, tokens):
    store, splice = layer(tokens)
    predicted = curved(tokens).argmax(1).bincount(minlength=CLASS_COUNT)
    expected = predicted.argsort(descending=True, stable=True)[:2].tolist()
    found = ablate({"channels": channels(D, CPU)}, store, ROWS, ROWS, splice, SECTION, 0)
    assert list(found.classes["class"].unique()) == [f"class {i}" for i in expected]
    edited = tokens.clone()
    row = found.classes[found.classes["kind"] == "zero"].iloc[1]
    edited[..., row["unit"]] = 0
    drop = (curved(tokens) - curved(edited))[:, expected[1]].mean()
    assert row["effect"] == pytest.approx(float(drop), rel=1e-4, abs=1e-5)


def test_a_single_active_unit_has_no_null_and_none_has_no_numbers(layer, tokens):
    tokens[..., 1:] = 0.5
    store, splice = layer(tokens)
    found = ablate({"channels": channels(D, CPU)}, store, ROWS, ROWS, splice, SECTION, 0)
    metrics = found.metrics["channels"]
    assert (metrics["alive"], metrics["chosen"], metrics["activity_ratio"]) == (1, 1, None)
    for kind in KINDS:
        of_kind = metrics["kinds"][kind]
        assert of_kind["controls"] is of_kind["rank_correlation"] is None
        assert [group["null"] for group in of_kind["groups"]] == [None]
        assert of_kind["top"]["effect"]["value"] > 0.01


def test_a_family_without_any_activity_says_so(layer, tokens):
    tokens[:] = 0.5
    store, splice = layer(tokens)
    found = ablate({"channels": channels(D, CPU)}, store, ROWS, ROWS, splice, SECTION, 0)
    assert found.metrics["channels"] == {
        "units": D,
        "alive": 0,
        "chosen": 0,
        "activity_ratio": None,
        "kinds": {},
    }
    assert len(found.units) == len(found.classes) == 0
    assert list(found.units.columns) == UNITS


def test_a_group_is_not_the_sum_of_its_members(layer):
    """Either of two channels keeps the prediction; only both together are needed."""
    tokens = torch.zeros(40, POSITIONS, D)
    tokens[..., :2] = 1 + 0.1 * random(40, POSITIONS, 2)
    tokens[..., 2:] = random(40, POSITIONS, D - 2, seed=1)

    def run(acts):
        level = F.softplus(20 * acts[..., :2].mean(1).amax(1) - 10)
        return torch.stack([level, torch.full_like(level, 2.0)], dim=1)

    store, splice = layer(tokens, run)
    found = exact(channels(D, CPU), [(0,), (1,), (0, 1)], store, splice, np.arange(40))["zero"]
    assert found.kept[:2].all() and not found.kept[2].any()
    assert found.predicted[2].min() > 3 * np.abs(found.predicted[:2]).max()
