"""SAEs from several starts: what they have in common is seen on the same images of each."""

import numpy as np
import pytest
import torch

from tickle_core.dictionaries import seeds as module
from tickle_core.dictionaries import stream
from tickle_core.dictionaries.judging import Watched
from tickle_core.dictionaries.recipe import recipes
from tickle_core.dictionaries.seeds import Seeds
from tickle_core.dictionaries.training import Trained, initial


@pytest.fixture
def found(planted, section):
    """The untrained SAEs of two seeds, and what becomes of them."""
    store, _ = planted
    sample = stream.sample_tokens(store, store.train_rows, 128, seed=0)
    made = recipes(section(seeds=2), 0)
    saes = {name: initial(sample, made[name]) for name in ("main", "seed1")}
    for sae in saes.values():
        sae.fold(sample.mean, sample.scale)
    return store, sample, {name: Trained(sae, made[name], 0) for name, sae in saes.items()}


def watch(store, pair, seed=0):
    watched = {name: Watched(each.sae) for name, each in pair.items()}
    seeds = Seeds(pair, watched, store, seed)
    with torch.no_grad():
        for rows, tokens in store.token_blocks(store.test_rows):
            for part in (slice(0, 300), slice(300, None)):
                for each in watched.values():
                    each(torch.from_numpy(tokens[part]).flatten(0, 1))
                seeds.add(store.image_ids[rows[part]])
    return seeds


def test_an_sae_agrees_with_itself(found):
    store, sample, pair = found
    same = {"main": pair["main"], "seed1": pair["main"]}
    stability = watch(store, same).stability(sample)
    assert stability["cosine"]["value"] == pytest.approx(1)
    assert stability["excess"]["value"] == pytest.approx(1)
    assert stability["codes"]["value"] > 0.95  # but for latents that hardly ever fire
    assert abs(stability["codes"]["null"]["value"]) < 0.1


def test_two_starts_agree_little(found):
    store, sample, pair = found
    stability = watch(store, pair).stability(sample)
    for key in ("cosine", "codes"):
        assert 0 < stability[key]["value"] < 0.9
        assert stability[key]["n"] == 2
    assert stability["cosine"]["before"]["value"] == stability["cosine"]["value"]


def test_only_some_images_are_kept_but_of_all_saes_the_same(found, monkeypatch):
    store, _, pair = found
    monkeypatch.setattr(module, "COMPARED_TOKENS", 16 * 50)
    seeds = watch(store, pair)
    for parts in seeds._codes.values():
        assert sum(part.shape[0] for part in parts) == 16 * 50
    assert len(set(seeds._ids)) == 50
    assert not np.array_equal(np.sort(seeds._ids), np.sort(watch(store, pair, seed=1)._ids))


def test_of_one_sae_there_is_no_stability(found):
    store, sample, pair = found
    assert watch(store, {"main": pair["main"]}).stability(sample) is None


def test_the_spread_is_over_what_every_sae_has(found):
    store, _, pair = found
    judged = {
        name: {
            "fvu": {"value": fvu},
            "kl": {"value": 1.0},
            "agreement": None,
            "accuracy_drop": None,
        }
        for name, fvu in (("main", 0.1), ("seed1", 0.3), ("frozen", 0.9))
    }
    spread = watch(store, pair).spread(judged)
    assert spread["fvu"] == {"value": pytest.approx(0.2), "range": [0.1, 0.3], "n": 2}
    assert list(spread) == ["fvu", "kl"]
