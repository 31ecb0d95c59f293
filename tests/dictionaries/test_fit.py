"""Too few images: the excess of new images over those that were learnt from."""

import numpy as np
import pytest
import torch

from tickle_core.dictionaries import fit
from tickle_core.dictionaries.per_image import ratios
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.training import Trained


def estimates(values, seed):
    """Of the means of each row."""
    return ratios(dict(enumerate(values)), np.ones(values.shape[1]), seed)


@pytest.mark.parametrize("n", [(200, 200), (400, 60)])
def test_the_excess_lies_in_its_interval(n):
    """Skewed values per image, and a true excess of 0.2."""
    rng, held = np.random.default_rng(0), []
    for seed in range(10):
        one, other = (rng.lognormal(0, 0.8, (20, size)) for size in n)
        new, known = estimates(1.2 * one, seed), estimates(other, seed)
        for run in range(20):
            found = fit.relative_excess(new[run], known[run])
            low, high = found["interval"]
            assert low < found["value"] < high
            held.append(low <= 0.2 <= high)
            assert found["n"] == min(n)
    assert np.mean(held) >= 0.93


def test_without_intervals_or_numbers_there_is_a_reason():
    known = {"value": 0.2, "interval": [0.1, 0.3], "n": 100}
    few = {"value": 0.1, "interval": None, "n": 5, "why": "too few"}
    found = fit.relative_excess(known, few)
    assert (found["value"], found["interval"], found["n"]) == (pytest.approx(1), None, 5)
    assert found["why"]
    assert fit.relative_excess(known, {"value": 0.0, "interval": None, "n": 5})["value"] is None


@pytest.fixture
def store(store_of):
    """As many tokens per position as channels; the mean is far from the origin."""
    tokens = np.random.default_rng(0).standard_normal((400, 4, 8)).astype(np.float32) + 5
    return store_of(tokens)


def halving(d):
    """An SAE that describes one half of the dimensions exactly and gives the mean of the others."""
    sae = SparseAutoencoder(d, d, "topk", d)
    with torch.no_grad():
        half = torch.diag((torch.arange(d) < d // 2).float())
        sae.w_enc.copy_(torch.cat([half[: d // 2], -half[: d // 2]]))
        sae.w_dec.copy_(sae.w_enc)
        sae.b_dec[d // 2 :] = 5
    return sae


def test_the_fvu_of_train_images_is_theirs(store, monkeypatch):
    rows = store.train_rows
    found = fit.train_fvu(halving(8), store, rows, seed=0)
    tokens = store.decode(store.tokens[:])[rows].astype(np.float64)
    missed = np.square(tokens[..., 4:] - 5).sum()
    expected = missed / np.square(tokens - tokens.mean((0, 1))).sum()
    assert found["value"] == pytest.approx(expected, rel=1e-5)
    assert found["n"] == len(rows)
    # Fewer images where these have too many tokens.
    monkeypatch.setattr(fit, "JUDGED_TOKENS", 4 * 100)
    some = fit.train_fvu(halving(8), store, rows, seed=0)
    assert some["n"] == 100
    assert some["value"] == pytest.approx(expected, rel=0.1)


def test_how_many_images_would_be_enough(store, recipe):
    main = Trained(halving(8), recipe(latents=8, k=8), 1)
    rows = store.train_rows
    learnt = fit.train_fvu(main.sae, store, rows, 0)["value"]
    for factor, wanted in ((1.05, None), (1.25, 750), (2.0, 3000)):
        held_out = {"value": factor * learnt, "interval": [0.9 * learnt, 3 * learnt], "n": 100}
        found = fit.metrics(main, held_out, store, rows, 0)
        assert found["excess"]["value"] == pytest.approx(factor - 1)
        assert found["images_wanted"] == (wanted and pytest.approx(wanted, abs=1))
        assert found["images"] == 300
        assert found["tokens_per_latent"] == 300 * 4 // 8
