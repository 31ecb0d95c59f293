"""The stage as a whole: the planted backdoor, images that are left out, too few of them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from tests.circuits.small_layers import random
from tests.delta.conftest import (
    BACKDOOR,
    COUNT,
    LATENTS,
    POSITIONS,
    D,
    clean_tokens,
    maker,
    nonlinear,
    perturbed_tokens,
)
from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.delta import analysis, hijacked, summary
from tickle_core.delta.reading import as_attacked, read
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample
from tickle_core.params.delta import Delta


def section(**changes):
    default = {"images": 100, "steps": 8, "restored": 2, "draws": 3, "latents": 4}
    return Delta(**(default | {"picture_steps": 0, "shown": 2} | changes))


def test_a_backdoor_is_found_and_undone(make, sae, sample):
    found = analysis.analyse(*make(), sae, sample, section(), 0)
    metrics = found.metrics
    assert metrics["images"] == {
        "adversarial": COUNT,
        "tail": COUNT,
        "choosing": COUNT // 2,
        "judging": COUNT // 2,
    }
    assert found.tables["latents"]["latent"].iloc[0] == BACKDOOR
    assert metrics["recovery"]["recovered"]["value"] > 0.95
    assert metrics["carried"]["value"] == pytest.approx(1, abs=0.01)
    outcomes = found.tables["outcomes"]
    assert outcomes["count"].sum() == COUNT // 2
    curve = found.tables["curve"]
    whole = curve[(curve["family"] == "channels") & (curve["units"] == 8)]
    assert (whole["value"] == 1).all() and whole["given_back"].iloc[0] == pytest.approx(1, rel=1e-3)


def test_a_backdoor_is_found_along_any_direction(make, sae, sample):
    """In a turned layer latents say the same, and no single channel is the backdoor."""
    turn = torch.linalg.qr(random(D, D, seed=11))[0]
    turned = SparseAutoencoder(D, LATENTS, "topk", D)
    with torch.no_grad():
        turned.w_enc.copy_(sae.w_enc @ turn)
        turned.w_dec.copy_(sae.w_dec @ turn)
    clean = clean_tokens()
    made = make(
        lambda tokens: nonlinear(tokens @ turn.T), clean @ turn, perturbed_tokens(clean) @ turn
    )
    around = Sample(sample.tokens @ turn, sample.mean @ turn, sample.scale)
    found = analysis.analyse(*made, turned, around, section(restored=1), 0)
    assert found.tables["latents"]["latent"].iloc[0] == BACKDOOR
    curve = found.tables["curve"].set_index(["family", "rule", "units"])["value"]
    assert curve["latents", "chosen", 1] > 0.95
    assert curve["channels", "chosen", 1] < 0.5


def without_structure(make, seed, d, restored, spread, count=200):
    """Every axis, which is a latent, speaks for either class alike, and changes by chance.

    So many of them as are restored bring back about half of the predictions.
    """
    rng = torch.Generator().manual_seed(seed)
    side = (1.0 - 2.0 * (torch.arange(count) % 2)).view(-1, 1, 1)
    strength = (spread * torch.randn(count, 1, d, generator=rng)).exp()
    push = 0.5 / (1 - restored / d) * strength / strength.mean()
    clean = 6 + 0.5 * side + 0.1 * torch.randn(count, 1, d, generator=rng)

    def tail(tokens):
        return torch.stack([tokens.mean((1, 2)) - 6, 6 - tokens.mean((1, 2))], 1)

    sae = SparseAutoencoder(d, d, "topk", d)
    with torch.no_grad():
        sae.w_dec.copy_(torch.eye(d))
        sae.w_enc.copy_(torch.eye(d))
    tokens = clean.flatten(0, 1)
    sample = Sample(tokens, tokens.mean(0), tokens.std())
    how = section(images=count, steps=1, restored=restored, draws=5)
    return analysis.analyse(*make(tail, clean, clean - side * push), sae, sample, how, 0).metrics


@pytest.mark.parametrize("seed", range(3))
def test_without_structure_chosen_latents_do_no_better_than_random_ones(make, seed):
    recovery = without_structure(make, seed, 96, 16, 0.3)["recovery"]
    assert 0.2 < recovery["recovered"]["value"] < 0.8  # or there is nothing to compare
    assert recovery["recovered"]["null"] is not None
    assert abs(recovery["beyond"]["value"]) < 0.12
    # What an image says of itself does better whatever there is: it is judged on what chose it.
    own = recovery["rivals"]["own"]["recovered"]["value"]
    assert own > recovery["recovered"]["value"] + 0.2


def test_where_others_are_too_few_to_change_as_much_nothing_is_claimed(tmp_path):
    """Nothing is there to find, and half of all latents are restored."""
    claimed = 0
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        recovery = without_structure(maker(folder), seed, 24, 11, 0.5)["recovery"]
        interval = recovery["recovered"]["null"] and recovery["beyond"]["interval"]
        claimed += bool(interval) and interval[0] > 0
    assert claimed <= 1


def test_an_image_that_was_taken_for_another_class_before_is_left_out(make):
    store, perturbed, table, splice = make()
    table.loc[table["image_id"] == 7, "own"] = 1 - table["own"].iloc[7]
    deltas = read(store, perturbed, table, splice, 100, 0)
    np.testing.assert_array_equal(np.flatnonzero(~as_attacked(deltas)), [7])


def test_an_image_that_the_tail_sees_otherwise_is_left_out(make, sae, sample):
    became = np.full(COUNT, 2)
    became[:5] = 0
    store, perturbed, table, splice = make(became=became)
    deltas = read(store, perturbed, table, splice, 100, 0)
    np.testing.assert_array_equal(np.flatnonzero(~as_attacked(deltas)), np.arange(5))
    found = analysis.analyse(store, perturbed, table, splice, sae, sample, section(), 0)
    assert found.metrics["images"]["tail"] == COUNT - 5


@pytest.mark.parametrize("left", [0, 1, 3])
def test_too_few_images_are_no_result(make, sae, sample, left):
    store, perturbed, table, splice = make()
    few = table[table["image_id"] < left]
    found = analysis.analyse(store, perturbed, few, splice, sae, sample, section(), 0)
    assert found.metrics["images"] == {"adversarial": left, "tail": left}
    assert "too few" in found.metrics["why"]
    assert_empty(found.tables)


def assert_empty(tables):
    assert {name: list(each.columns) for name, each in tables.items()} == {
        "latents": hijacked.LATENT_COLUMNS,
        "pairs": hijacked.PAIR_COLUMNS,
        "curve": summary.COLUMNS,
        "outcomes": summary.OUTCOMES,
    }
    assert all(len(each) == 0 for each in tables.values())


def test_where_no_image_fell_there_is_an_empty_store_and_no_result(make, sae, sample, tmp_path):
    store, _, table, splice = make()
    layout = writer.Layout(POSITIONS, D, 3, [], None, "float32", 4)
    none = np.empty(0, np.int64)
    writer.create_store(tmp_path / "none.zarr", layout, none, none, none.astype(bool))
    perturbed, columns = open_store(tmp_path / "none.zarr"), list(table.columns)
    for nothing in (table.iloc[:0], pd.DataFrame({name: [] for name in columns})):
        deltas = read(store, perturbed, nothing, splice, 10, 0)
        assert len(deltas) == 0 and deltas.tokens["clean"].shape == (0, POSITIONS, D)
        found = analysis.analyse(store, perturbed, nothing, splice, sae, sample, section(), 0)
        assert found.metrics["images"] == {"adversarial": 0, "tail": 0}
        assert_empty(found.tables)


def test_tables_have_the_same_columns_with_and_without_images(make, sae, sample):
    found = analysis.analyse(*make(), sae, sample, section(), 0)
    assert list(found.tables["latents"].columns) == hijacked.LATENT_COLUMNS
    assert list(found.tables["pairs"].columns) == hijacked.PAIR_COLUMNS
    assert list(found.tables["curve"].columns) == summary.COLUMNS
    assert list(found.tables["outcomes"].columns) == summary.OUTCOMES
    json.dumps(found.metrics, allow_nan=False)


def test_a_draw_keeps_each_image_with_its_own_perturbation(make):
    store, perturbed, table, splice = make()
    whole = read(store, perturbed, table, splice, 100, 0)
    some = read(store, perturbed, table, splice, 10, 0)
    assert len(some) == 10
    for kind, tokens in some.tokens.items():
        np.testing.assert_array_equal(tokens, whole.tokens[kind][some.ids])


def test_two_runs_give_the_same(make, sae, sample):
    made = make()
    one, two = (analysis.analyse(*made, sae, sample, section(), 0) for _ in range(2))
    assert one.metrics == two.metrics
