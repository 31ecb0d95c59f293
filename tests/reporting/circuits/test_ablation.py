"""Ablation on the page: curves against the share that is removed, units beside their controls."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tests.reporting.circuits import made_up_ablation
from tickle_core.reporting.circuits import ablation_figures, ablation_tables
from tickle_core.reporting.circuits.found import read
from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL, fixed_style
from tickle_core.results import read_json, write_json

pytestmark = pytest.mark.slow


def drawn(axes):
    """Colour -> (x, y) of each curve that has points."""
    curves = [line for line in axes.lines if line.get_marker() != "None"]
    return {to_hex(line.get_color()).upper(): line.get_xydata().tolist() for line in curves}


@pytest.mark.parametrize("kind", ablation_tables.ABLATIONS)
def test_curves_are_drawn_against_the_share_that_is_removed(make_project, kind):
    curves = read(make_project(layers=("only",)).read()).curves
    with fixed_style():
        figure = ablation_figures.curves_figure(curves, kind)
        figure.draw_without_rendering()
    assert len(figure.axes) == len(ablation_tables.FAMILIES)
    for axes in figure.axes:
        found = drawn(axes)
        assert found[MEASURED] == [[5.0, 1.5], [20.0, 6.0]]
        np.testing.assert_allclose(found[CONTROL], [[5, 0.7], [20, 2.8]])
        np.testing.assert_allclose(found[NULL], [[5, 0.11], [20, 0.41]])


def test_random_groups_are_a_row_with_their_range_and_groups_have_their_interval(make_project):
    rows = ablation_tables.curve_table(read(make_project(layers=("only",)).read()).curves).rows
    by_order = {row["order"]: row for row in rows if row["size"] == 4}
    random, screen = by_order["random"]["effect_size"], by_order["screen"]["effect_size"]
    assert by_order["random"]["draws"] == 3
    assert random["interval"] == pytest.approx([0.4, 0.42])
    assert (screen["value"], screen["interval"]) == (6.0, pytest.approx([5.9, 6.1]))


def class_effects(effects, classes):
    """A table of top latents (rows of `effects`), with rows that must not be drawn."""
    rows = [
        {"family": family, "kind": kind, "role": role, "unit": unit, "class": name, "effect": value}
        for family, kind, role in (
            ("channels", "zero", "top"),
            ("latents", "mean", "top"),
            ("latents", "zero", "top"),
            ("latents", "zero", "control"),
        )
        for unit, line in enumerate(effects)
        for name, value in zip(classes, line, strict=True)
    ]
    table = pd.DataFrame(rows).assign(p_value=1.0)
    shown = (table["family"] == "latents") & (table["kind"] == "zero") & (table["role"] == "top")
    return table.assign(effect=table["effect"].where(shown, 99.0))


def test_latents_of_one_class_stand_together_and_the_strongest_first():
    effects = [[0.1, 0.0], [0.0, 0.5], [0.4, -0.2], [-0.9, 0.3]]
    table = class_effects(effects, ["z", "a"])
    table.loc[(table["unit"] == 2) & (table["class"] == "a"), "p_value"] = 0.01
    with fixed_style():
        figure = ablation_figures.classes_figure(table)
        figure.draw_without_rendering()
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["2", "0", "1", "3"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["z", "a"]
    image = axes.images[0]
    np.testing.assert_allclose(image.get_array(), np.array(effects)[[2, 0, 1, 3]])
    assert image.get_clim() == (-0.9, 0.9)
    # A ring in the cell whose effect is told from its control's.
    np.testing.assert_array_equal(axes.collections[0].get_offsets().round(), [[1, 0]])


def test_of_many_latents_and_classes_the_strongest_and_most_frequent_are_drawn():
    effects = np.arange(40)[:, None] * np.ones(100)
    table = class_effects(effects.tolist(), [f"class {n}" for n in range(100)])
    with fixed_style():
        figure = ablation_figures.classes_figure(table)
        figure.draw_without_rendering()
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (20, 30)
    assert image.min() == 20


def test_every_ablation_has_a_row_with_its_null(make_project):
    layers = read(make_project().read()).metrics
    rows = ablation_tables.ablation_table(layers).rows
    assert len(rows) == 2 * 3 * 3
    for row in rows:
        assert (row["single"]["value"], row["single_null"]["value"]) == (0.8, 0.1)
        assert (row["claimed"], row["tested"]) == (2, 3)
        assert ("carries_over" in row) == (row["kind"] == "mean")
    rows = ablation_tables.group_table(layers).rows
    assert len(rows) == 2 * 3 * 3
    for row in rows:
        assert row["effect_size_null"]["range"] == pytest.approx([0.3, 0.5])
        assert (row["p"], row["draws"]) == (0.047619, 20)


def test_a_group_without_random_ones_says_why(make_project, tmp_path):
    project = make_project(layers=("only",))
    path = project.metrics / "circuits" / "only.json"
    metrics = read_json(path)
    made_up_ablation.without_random_groups(metrics["ablation"])
    write_json(path, metrics)
    rows = ablation_tables.group_table(read(project.read()).metrics).rows
    assert all("only 3 different" in row["excess"]["why"] for row in rows)
    assert "only 3 different" in project.write(tmp_path)["index.html"].decode()


def test_top_latents_stand_beside_their_controls_strongest_first(make_project):
    rows = ablation_tables.unit_table(read(make_project().read()).ablation["late"]).rows
    assert [(row["unit"], row.get("control")) for row in rows] == [
        ("3", "13"),
        ("2", "12"),
        ("1", "11"),
        ("0", None),
    ]
    assert rows[0]["effect"]["value"] == pytest.approx(0.4)
    assert rows[0]["control_effect"]["value"] == 0.01
    assert rows[2]["control_effect"]["interval"] is None
    assert (rows[0]["p_value"], rows[0]["active"], rows[0]["n"]) == (0.02, 40, 40)


def test_thirty_layers_fit(make_project):
    found = read(make_project().read())
    layers = dict.fromkeys((f"layer{n}" for n in range(30)), found.metrics["late"])
    curves = dict.fromkeys(layers, found.curves["late"])
    with fixed_style():
        for figure in (
            ablation_figures.ablation_figure(layers),
            ablation_figures.curves_figure(curves, "mean"),
        ):
            figure.draw_without_rendering()
            assert figure.get_size_inches()[1] < 30
