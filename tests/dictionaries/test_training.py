"""Training: what was planted is found, and nothing but the recipe and the seed matters."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from tickle_core.dictionaries import directions, stream, training
from tickle_core.dictionaries.recipe import FROZEN, MAIN, PERMUTED, of_layer, recipes
from tickle_core.errors import TickleError
from tickle_core.params.sae import SaeOfLayer

pytestmark = pytest.mark.slow

VARIANTS = ["topk", "batchtopk", "relu", "jumprelu", "matryoshka"]


def prepared(store, section, seed=0):
    held_out, rows = stream.hold_out(store, seed)
    return rows, stream.sample_tokens(store, rows, section.latents, seed), held_out


def trained(store, made, section, scratch, seed=0):
    """By name, as the stage trains them."""
    return training.train(store, *prepared(store, section, seed), made, section, seed, scratch)


def test_tokens(store):
    tokens = np.concatenate([acts for _, acts in store.token_blocks(store.test_rows)])
    return torch.from_numpy(tokens.reshape(-1, tokens.shape[-1]))


test_tokens.__test__ = False


def matched_cosine(atoms, sae):
    """Mean cosine of the planted directions and the learnt ones, matched one to one."""
    cosines = atoms @ sae.w_dec.detach().numpy().T
    return cosines[linear_sum_assignment(-cosines)].mean()


@torch.no_grad()
def fvu(sae, acts):
    error = sae.decode_codes(sae.codes(acts)) - acts
    return float(error.square().sum() / (acts - acts.mean(0)).square().sum())


def assert_same_bits(one, two):
    assert one.keys() == two.keys()
    for name in one:
        pairs = zip(one[name].sae.named_parameters(), two[name].sae.parameters(), strict=True)
        for (weight, a), b in pairs:
            assert torch.equal(a, b), (name, weight)
        assert one[name].steps == two[name].steps


@pytest.fixture(scope="module")
def learnt(planted, section, tmp_path_factory):
    """Every variant and the nulls of topk, trained on one stream."""
    companions = {variant: {"variant": variant} for variant in VARIANTS[1:]}
    quick = section(tokens=400_000, batch_size=512, learning_rate=0.005, companions=companions)
    made = recipes(quick, seed=0)
    made["topk"] = made.pop(MAIN)
    together = trained(planted[0], made, quick, tmp_path_factory.mktemp("learnt"))
    _, sample, _ = prepared(planted[0], quick)
    before = {name: training.initial(sample, each) for name, each in made.items()}
    return {name: each.sae for name, each in together.items()}, before


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_planted_dictionary_is_recovered(planted, learnt, variant):
    store, atoms = planted
    saes, before = learnt
    assert matched_cosine(atoms, before[variant]) < 0.8
    assert matched_cosine(atoms, saes[variant]) > 0.9
    acts = test_tokens(store)
    assert fvu(saes[variant], acts) < 0.15
    if variant != "relu":  # whose penalty knows no k
        assert len(saes[variant].codes(acts).latents) / len(acts) == pytest.approx(3, rel=0.15)
    torch.testing.assert_close(saes[variant].w_dec.norm(dim=1), torch.ones(128))


def test_nothing_is_found_in_permuted_dimensions(planted, learnt):
    store, atoms = planted
    saes, _ = learnt
    acts = test_tokens(store)
    null = stream.permute_dimensions(acts, np.random.default_rng(9))
    assert fvu(saes[PERMUTED], null) > 5 * fvu(saes["topk"], acts)
    assert fvu(saes["topk"], null) > 5 * fvu(saes["topk"], acts)
    assert matched_cosine(atoms, saes[PERMUTED]) < 0.6


def test_of_a_frozen_decoder_the_encoder_alone_learns(planted, learnt):
    """It describes tokens worse than one that learnt, and no planted direction is in it."""
    store, atoms = planted
    saes, before = learnt
    frozen = saes[FROZEN]
    assert torch.equal(frozen.w_dec, before[FROZEN].w_dec)
    assert not torch.equal(frozen.w_enc, before[FROZEN].w_enc)
    assert matched_cosine(atoms, frozen) < 0.6
    acts = test_tokens(store)
    assert fvu(frozen, acts) > 3 * fvu(saes["topk"], acts)
    # Its encoder has learnt to do with it, which began as its transpose.
    acts = acts[:4000]
    sample = stream.sample_tokens(store, store.train_rows, 128, seed=0)
    start = before[FROZEN]
    start.fold(sample.mean, sample.scale)
    assert fvu(frozen, acts) < fvu(start, acts)


def test_a_frozen_decoder_is_the_random_dictionary(planted, section):
    _, sample, _ = prepared(planted[0], section())
    made = recipes(section(), seed=4)[FROZEN]
    drawn = directions.like_tokens(sample, made.latents, seed=4)
    torch.testing.assert_close(training.initial(sample, made).w_dec, drawn)


def test_a_companion_differs_in_what_it_says_alone(section):
    companions = {"other": {"variant": "relu", "l1": 0.5, "k": 1}, "same": {"k": 3}}
    made = recipes(section(companions=companions, seeds=3), seed=3)
    assert list(made) == [MAIN, "seed1", "seed2", PERMUTED, FROZEN, "other"]
    main = made[MAIN]
    assert (main.variant, main.seed, main.permuted, main.frozen) == ("topk", 3, False, False)
    assert main.steps == 1_500_000 // 1024
    assert made["seed2"] == dataclasses.replace(main, seed=5)
    assert made[PERMUTED] == dataclasses.replace(main, permuted=True)
    assert made[FROZEN] == dataclasses.replace(main, frozen=True)
    assert made["other"] == dataclasses.replace(main, variant="relu", l1=0.5, k=1)


def test_a_layer_may_have_fewer_seeds_and_no_companions(section):
    layers = {"plain": SaeOfLayer(seeds=1, companions={})}
    both = section(layers=layers, seeds=3, companions={"k1": {"k": 1}})
    plain, other = (recipes(of_layer(both, alias), 0) for alias in ("plain", "other"))
    assert set(plain) == {MAIN, PERMUTED, FROZEN}
    assert set(other) == {*plain, "seed1", "seed2", "k1"}


def test_a_layer_has_its_own_latents_and_k(section):
    layers = {"wide": SaeOfLayer(latents=500), "sparse": SaeOfLayer(k=1)}
    both = section(layers=layers, companions={"k1": {"k": 1}})
    found = {alias: recipes(of_layer(both, alias), 0) for alias in ("wide", "sparse", "other")}
    sizes = {alias: (made[MAIN].latents, made[MAIN].k) for alias, made in found.items()}
    assert sizes == {"wide": (500, 3), "sparse": (128, 1), "other": (128, 3)}
    # A companion that a layer's main SAE equals already is not trained twice.
    assert [("k1" in made) for made in found.values()] == [True, False, True]
    assert found["wide"]["k1"].latents == 500


# A small store, so that passes are short: 1140 tokens to learn from, 12 batches in a pass.
BATCH, STEPS = 100, 40


@pytest.fixture
def small(store_of):
    rng = np.random.default_rng(0)
    return store_of(rng.laplace(size=(400, 4, 8)).astype(np.float32) @ rng.random((8, 8), "f"))


def test_a_training_that_diverged_is_an_error(small, section, tmp_path):
    sizes = {"latents": 32, "k": 4, "tokens": BATCH * 10, "batch_size": BATCH}
    wild = section(**sizes, learning_rate=10.0)
    with pytest.raises(TickleError, match="the autoencoder 'main' diverged: .* sae.learning_rate"):
        trained(small, recipes(wild, seed=0), wild, tmp_path)


@pytest.fixture
def all_kinds(section):
    """Every variant, the nulls and a bfloat16 one, with a few dead latents on the way."""
    companions = {variant: {"variant": variant} for variant in VARIANTS[1:]}
    companions |= {"rough": {"precision": "bfloat16"}, "narrow": {"latents": 20, "k": 2}}

    def make(**changes):
        default = {
            "latents": 48,
            "k": 4,
            "tokens": BATCH * STEPS,
            "batch_size": BATCH,
            "dead_after": 3 * BATCH,
            "companions": companions,
        }
        return section(**(default | changes))

    return make


@pytest.fixture
def scratch(tmp_path):
    """Makes folders."""

    def make(name):
        (tmp_path / name).mkdir()
        return tmp_path / name

    return make


def test_the_seed_decides_every_bit(small, all_kinds, scratch):
    section = all_kinds()
    runs = [
        trained(small, recipes(section, seed), section, scratch(str(number)), seed)
        for number, seed in enumerate((0, 0, 1))
    ]
    assert_same_bits(runs[0], runs[1])
    assert not torch.equal(runs[0][MAIN].sae.w_dec, runs[2][MAIN].sae.w_dec)


def test_training_several_together_changes_none(small, all_kinds, scratch):
    section = all_kinds()
    made = recipes(section, seed=0)
    together = trained(small, made, section, scratch("together"))
    for name, each in made.items():
        alone = trained(small, {name: each}, section, scratch(name))
        assert_same_bits(alone, {name: together[name]})


def count_steps(monkeypatch, kill_at=None):
    """Count the steps of all SAEs together; at one of them, die."""
    counted = []
    step = training.Trainee.step

    def counting(trainee, acts):
        counted.append(trainee.recipe)
        if len(counted) == kill_at:
            raise KeyboardInterrupt
        step(trainee, acts)

    monkeypatch.setattr(training.Trainee, "step", counting)
    return counted


def test_a_killed_training_goes_on_to_the_same_bits(small, all_kinds, scratch, monkeypatch):
    """Killed again and again: before the first checkpoint, mid-batch, across the ends of passes."""
    section = all_kinds()
    made = recipes(section, seed=0)
    whole = trained(small, made, section, scratch("whole"))
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    folder, survived = scratch("killed"), 0
    for batches in (0, 1, 11, 12, 5):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            count_steps(patch, kill_at=batches * len(made) + 4)
            trained(small, made, section, folder)
        survived += batches
    counted = count_steps(monkeypatch)
    resumed = trained(small, made, section, folder)
    assert len(counted) == (STEPS - survived) * len(made)
    assert_same_bits(whole, resumed)
    # What is complete is not trained again.
    again = trained(small, made, section, folder)
    assert len(counted) == (STEPS - survived) * len(made)
    assert_same_bits(whole, again)


def test_a_kill_while_saving_leaves_the_last_checkpoint(small, all_kinds, scratch, monkeypatch):
    section = all_kinds()
    made = recipes(section, seed=0)
    whole = trained(small, made, section, scratch("whole"))
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    folder, write, written = scratch("killed"), Path.write_bytes, []

    def write_half(path, content):
        written.append(path)
        if len(written) == 4:
            write(path, b"half of it")
            raise KeyboardInterrupt
        return write(path, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", write_half)
        trained(small, made, section, folder)
    counted = count_steps(monkeypatch)
    resumed = trained(small, made, section, folder)
    assert len(counted) == (STEPS - 3) * len(made)
    assert_same_bits(whole, resumed)


def test_training_ends_on_a_plateau(small, all_kinds, scratch, monkeypatch):
    """One that does not improve stops after its patience; the others go on, unharmed."""
    section = all_kinds(companions={})
    keen = recipes(section, seed=0)[MAIN]
    stuck = dataclasses.replace(keen, learning_rate=1e-9, patience=7)
    alone = trained(small, {"keen": keen}, section, scratch("alone"))
    counted = count_steps(monkeypatch)
    both = trained(small, {"keen": keen, "stuck": stuck}, section, scratch("both"))
    # A first check, which is the best so far, and seven without a better one.
    assert [counted.count(keen), counted.count(stuck)] == [STEPS, 8]
    assert [both["keen"].steps, both["stuck"].steps] == [STEPS, 8]
    assert_same_bits(alone, {"keen": both["keen"]})


def test_ended_early_is_ended_after_a_kill_too(small, all_kinds, scratch, monkeypatch):
    section = all_kinds(companions={})
    keen = recipes(section, seed=0)[MAIN]
    made = {"keen": keen, "stuck": dataclasses.replace(keen, learning_rate=1e-9, patience=7)}
    whole = trained(small, made, section, scratch("whole"))
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    folder = scratch("killed")
    for kill_at in (13, 7):  # at 6 of 8 batches of the second, then after them
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            count_steps(patch, kill_at)
            trained(small, made, section, folder)
    resumed = trained(small, made, section, folder)
    assert_same_bits(whole, resumed)


@pytest.fixture
def sample(planted):
    store, _ = planted
    return stream.sample_tokens(store, store.train_rows[:300], 128, seed=0)


def test_an_sae_begins_with_data_points_and_looks_along_them(sample, recipe):
    sae = training.initial(sample, recipe())
    acts = sample.standardized(sample.tokens)
    cosines = torch.nn.functional.normalize(acts, dim=1) @ sae.w_dec.T
    torch.testing.assert_close(cosines.max(0).values, torch.ones(128))
    assert len(cosines.max(0).indices.unique()) == 128
    along = torch.nn.functional.cosine_similarity(sae.w_enc, sae.w_dec)
    torch.testing.assert_close(along, torch.ones(128))
    assert not sae.b_enc.any()
    assert not sae.b_dec.any()
    other = training.initial(sample, dataclasses.replace(recipe(), seed=1))
    assert not torch.equal(sae.w_dec, other.w_dec)


def test_a_first_reconstruction_is_of_the_right_size(sample, recipe):
    """No multiple of it is nearer to the tokens."""
    acts = sample.standardized(sample.tokens[:4096])
    for variant in VARIANTS:
        sae = training.initial(sample, recipe(variant=variant, k=20))
        rebuilt = sae.decode_codes(sae.codes(acts))
        excess = (rebuilt * (rebuilt - acts)).sum() / rebuilt.square().sum()
        assert excess.item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("variant", ["topk", "relu"])
def test_these_variants_have_no_threshold(sample, recipe, variant):
    made = recipe(variant=variant)
    assert not training.initial(sample, made).threshold.any()
    trainee = training.Trainee(made, sample)
    trainee.step(sample.standardized(sample.tokens[:512]))
    training.calibrate(trainee.sae, sample.standardized(sample.tokens))
    assert not trainee.sae.threshold.any()


@pytest.mark.parametrize("variant", ["batchtopk", "matryoshka"])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_at_the_calibrated_threshold_k_latents_are_active(sample, recipe, variant, k):
    trainee = training.Trainee(recipe(variant=variant, k=k), sample)
    acts = sample.standardized(sample.tokens)
    trainee.step(acts[:512])
    training.calibrate(trainee.sae, acts)
    assert len(trainee.sae.codes(acts).latents) == k * len(acts)


def test_dead_latents_are_revived(planted, sample, recipe):
    """A quarter of the latents is ahead of the rest, which would stay silent for ever."""
    acts = sample.standardized(test_tokens(planted[0]))

    def active(dead_after):
        made = recipe(dead_after=dead_after, batch_size=512, tokens=512 * 200)
        trainee = training.Trainee(made, sample)
        with torch.no_grad():
            trainee.sae.w_enc[32:] *= 0.01
        counts = [len(trainee.sae.codes(acts).latents.unique())]
        for batch in acts.split(512)[:31]:
            trainee.step(batch)
        return [*counts, len(trainee.sae.codes(acts).latents.unique())]

    assert active(dead_after=10**9) == [32, 32]
    before, after = active(dead_after=2_000)
    assert before == 32
    assert after > 50


def test_the_learning_rate_warms_up_and_falls_to_zero():
    rates = [training.rate(step, 100) for step in range(100)]
    np.testing.assert_allclose(rates[:5], [0.2, 0.4, 0.6, 0.8, 1.0])
    assert max(rates) == 1
    np.testing.assert_allclose(rates[5:], 0.5 * (1 + np.cos(np.pi * np.arange(95) / 95)))
    assert 0 < rates[-1] < 0.001
    assert [training.rate(0, 1), training.rate(0, 2)] == [1, 1]
