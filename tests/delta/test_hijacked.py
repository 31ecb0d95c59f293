"""Hijacked latents: the planted one comes out first; what is woken and what is silenced."""

import numpy as np
import torch

from tests.delta.conftest import BACKDOOR, D, linear
from tickle_core.delta import hijacked
from tickle_core.delta.analysis import halves
from tickle_core.delta.contributions import Families, contributions
from tickle_core.delta.hijacked import Peaks
from tickle_core.delta.reading import read
from tickle_core.interventions.parts import ReadUnits


def rows(deltas, sae, steps=8):
    families = Families(sae, {"channels": ReadUnits(torch.eye(D))})
    found = contributions(deltas, families, steps)
    peaks = hijacked.peaks(deltas, sae)
    return hijacked.latent_rows(deltas, found, halves(deltas), families, peaks, 4, 0)


def test_the_planted_latent_comes_out_first(deltas, sae):
    table = rows(deltas, sae)
    first = table.iloc[0]
    assert first["latent"] == BACKDOOR
    assert first["value"] > 5 * table["value"].iloc[1:].max()
    assert first["value"] > 3 * first["noise"]
    assert first["frequency"] == 1
    assert first["woken"] > 0.4 and first["silenced"] == 0


def test_behind_a_linear_tail_effects_are_contributions(make, sae):
    table = rows(read(*make(linear), most=100, seed=0), sae, steps=1)
    np.testing.assert_allclose(table["exact"], table["value"], rtol=1e-3, atol=1e-5)


def test_woken_is_silent_before_and_loud_after():
    clean = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [4.0, 3.0, 0.0]])
    moved = np.array([[5.0, 0.0, 9.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    peaks = Peaks({"clean": clean, "adversarial": moved})
    # Medians where they are active: 3, 2; of the last latent, anything is loud.
    assert peaks.woken("adversarial").tolist() == [
        [True, False, True],
        [False, False, False],
        [False, False, False],
    ]
    assert peaks.silenced("adversarial").tolist() == [
        [False, False, False],
        [False, False, False],
        [True, True, False],
    ]


def test_peaks_are_the_largest_over_positions(deltas, sae):
    found = hijacked.peaks(deltas, sae)
    for kind in ("clean", "adversarial", "noise"):
        with torch.no_grad():
            codes = sae.encode(torch.from_numpy(deltas.tokens[kind]))
        np.testing.assert_allclose(found.of[kind], codes.amax(1), rtol=1e-5, atol=1e-6)


def test_pairs_of_classes_with_few_images_are_left_out(deltas, sae):
    families = Families(sae, {})
    found = contributions(deltas, families, 4).of["latents"]
    table = hijacked.pair_rows(deltas, found)
    assert set(zip(table["own"], table["became"], strict=True)) == {(0, 2), (1, 2)}
    assert (table[table["rank"] == 0]["latent"] == BACKDOOR).all()
    few = deltas.only(np.array([0, 1, 2]))
    assert len(hijacked.pair_rows(few, found[:3])) == 0
