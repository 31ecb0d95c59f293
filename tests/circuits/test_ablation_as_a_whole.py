"""Ablation as a whole: planted units are found beyond their controls, and nothing else is."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.circuits.small_layers import make_layer, random, random_latents
from tickle_core.circuits import ablation_summary
from tickle_core.circuits.ablation import ablate
from tickle_core.circuits.activity import KINDS
from tickle_core.circuits.images import read_images
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.interventions.units import Directions, Latents, channels
from tickle_core.params.circuits import Circuits
from tickle_core.results import write_json

CPU = torch.device("cpu")
IMAGES, POSITIONS, D, CLASS_COUNT, LATENTS = 80, 6, 8, 4, 24
ROWS = np.arange(IMAGES)
WEIGHT = random(CLASS_COUNT, POSITIONS, D, seed=1)
SECTION = Circuits(
    images=IMAGES,
    units=4,
    directions=8,
    band_draws=20,
    null_draws=40,
    classes=2,
    pairs=2,
    patched_share=0.1,
    traces=2,
    sites=4,
    examples=1,
)
RANKING, JUDGING = ROWS[::2], ROWS[1::2]


def curved(acts):
    return torch.einsum("npd,cpd->nc", torch.tanh(acts), WEIGHT)


@pytest.fixture
def run(tmp_path):
    """Ablate the units of a layer of given tokens and tail."""

    def ablate_layer(families, tokens, tail=curved, ranking=RANKING, judging=JUDGING, seed=0):
        store, splice = make_layer(tmp_path / f"{seed}.zarr", tokens, tail)
        images = (read_images(store, rows, 0) for rows in (ranking, ranking, judging))
        return ablate(families, store, *images, splice, SECTION, seed)

    return ablate_layer


def sparse_axes(d, count=IMAGES, density=0.3, seed=0):
    """Tokens whose axes are active on few images, and an SAE that has the axes as its latents."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.rand(count, POSITIONS, d, generator=generator) + 0.2
    tokens *= torch.rand(count, 1, d, generator=generator) < density
    sae = SparseAutoencoder(d, d, "relu", 1)
    with torch.no_grad():
        sae.w_dec.copy_(torch.eye(d))
        sae.w_enc.copy_(torch.eye(d))
    return tokens, Latents(sae)


def test_the_latents_that_drive_the_logits_are_found_beyond_their_controls(run):
    """Sparse, equally active latents, of which four count."""
    d, driving = 64, [3, 11, 20, 41]
    tokens, units = sparse_axes(d)

    def tail(acts):
        level = acts[..., driving].square().sum((1, 2))
        return torch.stack([torch.full_like(level, 0.1), level], dim=1)

    found = run({"latents": units}, tokens, tail)
    metrics = found.metrics["latents"]
    assert (metrics["units"], metrics["alive"]) == (d, d)
    assert (metrics["chosen"], metrics["matched"]) == (4, 4)
    for kind in KINDS:
        of_kind = metrics["kinds"][kind]
        group = of_kind["group"]
        assert group["size"] == 4
        assert group["effect_size"]["value"] > 0.2
        assert group["effect_size"]["null"]["range"][1] < 1e-6
        assert group["energy_ratio"]["value"] == pytest.approx(1, abs=0.25)
        low, high = group["excess"]["interval"]
        assert low < group["excess"]["value"] < high
        assert low > 0 or kind == "resample"  # donors bring activity too
        assert group["excess"]["p"] <= 1 / 21
        assert of_kind["tested"] == 4
        assert group["kept"]["value"] < group["kept"]["null"]["range"][0]
    zero = found.units[found.units["kind"] == "zero"].set_index("unit")
    assert sorted(zero.index[zero["role"] == "top"]) == driving
    assert metrics["kinds"]["zero"]["claimed"] == 4
    assert np.all(zero.loc[driving, "p_value"] <= 0.05)
    assert np.all(zero.loc[driving, "low"] > 0)
    assert np.all(zero.loc[zero["role"] == "control", "effect"].abs() < 1e-6)


@pytest.mark.slow
def test_units_that_do_not_matter_more_than_others_are_not_claimed_to(run):
    """All latents alike: the screen chooses some, other images judge, and nothing is left."""
    d, claimed, tested, beyond = 64, 0, 0, 0
    weights = torch.ones(d)

    def tail(acts):
        level = (acts @ weights).sum(1)
        return torch.stack([torch.full_like(level, 0.1), level.sqrt()], dim=1)

    seeds = range(24)
    for seed in seeds:
        tokens, units = sparse_axes(d, density=0.2, seed=seed)
        mean = run({"latents": units}, tokens, tail, seed=seed).metrics["latents"]["kinds"]["mean"]
        claimed += mean["claimed"] > 0
        tested += "p" in mean["group"]["excess"]
        beyond += mean["group"]["excess"].get("p", 1) <= 0.05
    # Each at most 5 % of 24, and the noise of 24 runs: 5 or more have a chance of 1 %.
    assert tested >= 12
    assert claimed <= 4
    assert beyond <= 4


def test_random_groups_remove_as_much_and_curves_say_so(run):
    tokens, units = sparse_axes(64)
    found = run({"latents": units}, tokens, lambda acts: acts.square().sum(1)[:, :CLASS_COUNT])
    curves = found.curves[found.curves["kind"] == "mean"]
    assert set(curves["order"]) == {"screen", "active", "random"}
    for size, of_size in curves.groupby("size"):
        by_order = of_size.set_index("order")["share"]
        assert by_order["active"] >= by_order["screen"] * 0.8
        if size == 1:  # it has a control
            assert "random" not in by_order.index
            continue
        assert by_order["random"].mean() == pytest.approx(by_order["screen"], rel=0.3)
        assert len(by_order["random"]) == (40 if size == 4 else 20)
    group = found.metrics["latents"]["kinds"]["mean"]["group"]
    screen = curves[(curves["order"] == "screen") & (curves["size"] == 4)].iloc[0]
    assert group["share"]["value"] == pytest.approx(screen["share"])
    assert group["effect_size"]["value"] == pytest.approx(screen["effect_size"])


def test_without_others_that_carry_as_much_there_is_no_null_but_a_reason(run):
    tokens = random(IMAGES, POSITIONS, D) + 0.3
    tokens[..., 2] *= 100
    found = run({"channels": channels(D, CPU)}, tokens, lambda acts: acts.mean(1)[:, 1:5])
    for kind in KINDS:
        group = found.metrics["channels"]["kinds"][kind]["group"]
        assert group["excess"]["value"] is None
        assert group["effect_size"]["null"] is None
        assert "carry as much of the layer" in group["excess"]["why"]


@pytest.fixture
def everything(run):
    tokens = random(IMAGES, POSITIONS, D) + 0.3
    families = {
        "channels": channels(D, CPU),
        "latents": random_latents(D, LATENTS),
        "directions": Directions(torch.linalg.qr(random(D, D, seed=7))[0]),
    }
    seeds = iter(range(9))

    def once():
        next(seeds)
        return run(families, tokens, seed=3)

    return once


def test_tables_and_metrics_agree_and_are_the_same_every_time(everything, tmp_path):
    first = everything()
    (tmp_path / "3.zarr").rename(tmp_path / "gone.zarr")
    second = everything()
    write_json(tmp_path / "a.json", first.metrics)
    write_json(tmp_path / "b.json", second.metrics)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    for name in ("units", "classes", "curves"):
        assert getattr(first, name).equals(getattr(second, name))
    assert list(first.units.columns) == ["family", "kind", *ablation_summary.UNITS]
    assert list(first.classes.columns) == ["family", "kind", *ablation_summary.CLASSES]
    assert list(first.curves.columns) == ["family", "kind", *ablation_summary.CURVES]
    for (family, kind), rows in first.units.groupby(["family", "kind"]):
        metrics = first.metrics[family]["kinds"][kind]
        top, controls = (rows[rows["role"] == role] for role in ("top", "control"))
        matched = top[top["matched"] >= 0]
        assert len(top) == first.metrics[family]["chosen"]
        assert len(controls) == len(matched) == first.metrics[family]["matched"]
        assert controls["unit"].tolist() == matched["matched"].tolist()
        assert controls["matched"].tolist() == matched["unit"].tolist()
        assert metrics["tested"] == len(matched)
        assert metrics["claimed"] == (matched["p_value"] <= ablation_summary.ALPHA).sum()
        if len(matched):
            assert metrics["single"]["value"] == pytest.approx(matched["effect_size"].mean())
            null = metrics["single"]["null"]["value"]
            assert null == pytest.approx(controls["effect_size"].mean())
        given = rows.dropna(subset="low")
        assert np.all((given["low"] <= given["effect"]) & (given["effect"] <= given["high"]))
        assert set(rows["images"]) == {IMAGES // 2}
    assert len(first.classes) == len(first.units) * SECTION.classes


def test_effect_size_is_the_drop_in_standard_deviations_of_the_clean_logit(run):
    tokens = random(IMAGES, POSITIONS, D) + 0.3
    found = run({"channels": channels(D, CPU)}, tokens)
    clean = curved(tokens)[JUDGING]
    spread = clean.amax(1).double().numpy().std(ddof=1)
    for _, row in found.units[found.units["kind"] == "zero"].iterrows():
        edited = tokens[JUDGING].clone()
        edited[..., row["unit"]] = 0
        drop = (clean - curved(edited)).gather(1, clean.argmax(1, keepdim=True)).mean()
        assert row["effect_size"] == pytest.approx(float(drop) / spread, rel=1e-4, abs=1e-6)


def test_behind_a_linear_tail_screen_and_exact_runs_rank_alike(run):
    """In every kind of ablation, though other images chose the units and gave the means."""
    weights = random(32, CLASS_COUNT, seed=9)
    tokens = random(IMAGES, POSITIONS, 32)
    found = run({"channels": channels(32, CPU)}, tokens, lambda acts: acts.mean(1) @ weights)
    metrics = found.metrics["channels"]
    for kind in metrics["kinds"].values():
        assert kind["rank_correlation"]["value"] == pytest.approx(1)
        assert kind["signed_correlation"]["value"] == pytest.approx(1)
        assert abs(kind["signed_correlation"]["null"]["value"]) < 1
    rows = found.units[found.units["kind"] == "mean"]
    assert spearmanr(rows["screen"], rows["effect"]).statistic < 1  # of other images


def test_class_effects_are_of_the_classes_predicted_most_often(run):
    tokens = random(IMAGES, POSITIONS, D) + 0.3
    predicted = curved(tokens).argmax(1).bincount(minlength=CLASS_COUNT)
    expected = predicted.argsort(descending=True, stable=True)[:2].tolist()
    found = run({"channels": channels(D, CPU)}, tokens)
    assert list(found.classes["class"].unique()) == [f"class {i}" for i in expected]
    row = found.classes[found.classes["kind"] == "zero"].iloc[1]
    edited = tokens[JUDGING].clone()
    edited[..., row["unit"]] = 0
    drop = (curved(tokens[JUDGING]) - curved(edited))[:, expected[1]].mean()
    assert row["effect"] == pytest.approx(float(drop), rel=1e-4, abs=1e-5)


def test_a_single_active_unit_has_no_null_and_none_has_no_numbers(run):
    tokens = random(IMAGES, POSITIONS, D) + 0.3
    tokens[..., 1:] = 0.5
    metrics = run({"channels": channels(D, CPU)}, tokens).metrics["channels"]
    assert (metrics["alive"], metrics["chosen"], metrics["matched"]) == (1, 1, 0)
    for kind in KINDS:
        of_kind = metrics["kinds"][kind]
        assert of_kind["single"] is None and of_kind["rank_correlation"] is None
        assert of_kind["group"]["effect_size"]["null"] is None
        assert of_kind["group"]["effect_size"]["value"] > 0.01


def test_a_family_without_any_activity_says_so(run):
    tokens = torch.full((IMAGES, POSITIONS, D), 0.5)
    found = run({"channels": channels(D, CPU)}, tokens)
    assert found.metrics["channels"] == {"units": D, "alive": 0, "chosen": 0, "matched": 0}
    assert len(found.units) == len(found.classes) == len(found.curves) == 0
    assert list(found.units.columns) == ["family", "kind", *ablation_summary.UNITS]
