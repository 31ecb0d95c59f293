"""Exact ablation: identities, and an independent implementation."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.circuits.small_layers import make_layer, random, random_latents
from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.circuits import effects as effects_module
from tickle_core.circuits import images as images_module
from tickle_core.circuits.activity import KINDS
from tickle_core.circuits.effects import active_pairs, edited_logits, exact_effects
from tickle_core.circuits.images import read_images
from tickle_core.datasets import image_set
from tickle_core.interventions.units import Directions, channels
from tickle_core.models import splicing
from tickle_core.models.assembly import assemble
from tickle_core.models.tokens import to_tokens
from tickle_core.models.zoo.registry import small_resnet
from tickle_core.params.extract import Extract

CPU = torch.device("cpu")
IMAGES, POSITIONS, D, CLASS_COUNT, LATENTS = 16, 6, 8, 4, 24
ROWS = np.arange(IMAGES)
WEIGHT = random(CLASS_COUNT, POSITIONS, D, seed=1)


def curved(acts):
    return torch.einsum("npd,cpd->nc", torch.tanh(acts), WEIGHT)


@pytest.fixture
def layer(tmp_path):
    return lambda tokens, run=curved, prefix=(): make_layer(
        tmp_path / "a.zarr", tokens, run, prefix
    )


@pytest.fixture
def tokens():
    return random(IMAGES, POSITIONS, D) + 0.3


def exact(units, sets, store, splice, rows=ROWS, mean=None, classes=(0,)):
    kinds, d = len(store.token_kinds[0]), store.tokens.shape[2]
    mean = np.zeros((kinds, len(units.directions))) if mean is None else np.atleast_2d(mean)
    return exact_effects(
        units,
        dict.fromkeys(KINDS, sets),
        mean,
        np.zeros((kinds, d)),
        read_images(store, rows, 0),
        store,
        splice,
        np.array(classes),
    )


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
    tokens[:] = tokens[:1]  # every donor is the image again
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
        logits = torch.cat([logits for _, logits, _ in parts]).view(LATENTS, IMAGES, -1)
    clean = curved(tokens)
    for unit in range(LATENTS):
        np.testing.assert_allclose(
            found.predicted[unit], of_predicted(clean, logits[unit]), atol=1e-5
        )


def test_batches_change_nothing(layer, tokens, monkeypatch):
    store, splice = layer(tokens)
    units, sets = random_latents(D, LATENTS), [(0,), (1,), (2, 3, 4), (5, 6)]
    whole = exact(units, sets, store, splice, ROWS[1::2])
    monkeypatch.setattr(images_module, "MOST_TOKENS", 3 * POSITIONS)
    monkeypatch.setattr(effects_module, "batch_size", lambda images: 5)
    parts = exact(units, sets, store, splice, ROWS[1::2])
    for kind in KINDS:
        np.testing.assert_allclose(parts[kind].predicted, whole[kind].predicted, atol=1e-5)
        np.testing.assert_allclose(parts[kind].classes, whole[kind].classes, atol=1e-5)
        np.testing.assert_array_equal(parts[kind].kept, whole[kind].kept)
        np.testing.assert_allclose(parts[kind].removed, whole[kind].removed, rtol=1e-5)
        np.testing.assert_allclose(parts[kind].layer, whole[kind].layer, rtol=1e-5)


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
    section = Extract(
        train_images=None, test_images=None, batch_size=5, dtype="float32", shard_mib=1
    )
    extract(model, images, np.arange(count), [Target("l", module, tmp_path / "l")], section)
    store, splice = open_store(tmp_path / "l"), splicing.splice(model, images, module)
    assert bool(splice.tail.obstacle) == (module == "layer2.0.conv1")
    units = random_latents(store.tokens.shape[2], 64, k=4)
    tokens = torch.from_numpy(np.concatenate([acts for _, acts in store.token_blocks(ROWS)]))
    chosen = units.moments(tokens.flatten(0, 1))[1].topk(3).indices.tolist()
    rows, mean = store.test_rows, np.linspace(0, 1, 64)
    donors = read_images(store, rows, 0).donors
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
            donor = acts_of[ids[donors[i]]]
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


def test_what_is_removed_is_the_squared_norm_of_the_change(layer, tokens):
    store, splice = layer(tokens)
    units, sets = random_latents(D, LATENTS), [(0,), (1, 2, 3, 4, 5), tuple(range(LATENTS))]
    donors = read_images(store, ROWS, 0).donors
    mean = np.linspace(0, 1, LATENTS)
    found = exact(units, sets, store, splice, mean=mean)
    everything = torch.arange(LATENTS)
    own = units.coefficients(tokens.flatten(0, 1), everything).view(IMAGES, POSITIONS, -1)
    new = {"zero": 0 * own, "mean": torch.from_numpy(mean).float() + 0 * own}
    new["resample"] = own[torch.from_numpy(donors)]
    whole = {"zero": 0, "mean": 0, "resample": tokens[torch.from_numpy(donors)]}
    for kind in KINDS:
        for place, some in enumerate(sets):
            change = (new[kind] - own)[..., some] @ units.directions[list(some)]
            np.testing.assert_allclose(
                found[kind].removed[place], change.square().sum((1, 2)), rtol=1e-4
            )
        np.testing.assert_allclose(
            found[kind].layer, (whole[kind] - tokens).square().sum((1, 2)), rtol=1e-4
        )


def test_a_class_token_is_given_the_mean_of_class_tokens(layer, tokens):
    """And not that of patches, which are of another kind."""
    tokens[:, 0] += 10
    mean = torch.stack([tokens[:, 0].mean(0), tokens[:, 1:].mean((0, 1))]).double().numpy()
    store, splice = layer(tokens, prefix=["class"])
    units = channels(D, CPU)
    found = exact(units, [(2,), tuple(range(D))], store, splice, mean=mean)["mean"]
    edited = tokens.clone()
    edited[:, 0, 2], edited[:, 1:, 2] = float(mean[0, 2]), float(mean[1, 2])
    np.testing.assert_allclose(
        found.predicted[0], of_predicted(curved(tokens), curved(edited)), rtol=1e-4, atol=1e-5
    )


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
