"""The section on circuits: its numbers beside their nulls, its maps, and what may be missing."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from tickle_core.reporting import embedding, traces
from tickle_core.reporting.sections import circuit_figures, circuit_tables, circuits
from tickle_core.reporting.style import MEASURED, NULL, fixed_style
from tickle_core.results import read_json, write_json


def edit(project, alias, change):
    path = project.metrics / "circuits" / f"{alias}.json"
    content = read_json(path)
    change(content)
    write_json(path, content)


def without_latents(metrics):
    """No latent is alive: nothing was ablated."""
    metrics["ablation"]["latents"].update(alive=0, chosen=0, activity_ratio=None, kinds={})


def without_controls(metrics):
    """Every unit is a top one: nothing to hold them against."""
    for family in metrics["ablation"].values():
        family["activity_ratio"] = None
        for kind in family["kinds"].values():
            kind["controls"] = kind["signed_correlation"] = None
            for group in kind["groups"]:
                group["null"] = None
    for kind in metrics["patching"]["kinds"].values():
        kind["null"] = kind["effect_size"] = None


def test_headlines_are_those_of_the_largest_group_and_of_latents(make_project):
    found = make_project().read().headline
    ablation, patching = found["ablation_effect"], found["patching_effect"]
    assert (ablation["value"], ablation["null"]) == (6.0, 0.4)
    assert (patching["value"], patching["null"]) == (0.8, 0.1)
    assert circuits.HEADLINES.keys() == {"ablation_effect", "patching_effect"}


@pytest.mark.parametrize(
    ("change", "options", "missing"),
    [
        (without_latents, {}, {"ablation_effect"}),
        (without_controls, {}, {"ablation_effect", "patching_effect"}),
        (lambda metrics: None, {"single_class": True}, {"patching_effect"}),
    ],
    ids=["no latent alive", "no controls", "a single class"],
)
def test_what_cannot_be_said_is_left_out(make_project, tmp_path, change, options, missing):
    project = make_project(layers=("only",), **options)
    edit(project, "only", change)
    if "ablation_effect" in missing and "patching_effect" not in missing:
        for name in ("ablation", "class_effects"):
            path = project.data / "circuits" / "only" / f"{name}.parquet"
            table = pd.read_parquet(path)
            table[table["family"] != "latents"].to_parquet(path)
    report = project.write(tmp_path)
    html = report["index.html"].decode()
    headline = project.read().headline
    assert {name for name in circuits.HEADLINES if headline[name] == {"value": None}} == missing
    assert ("nothing to patch between" in html) == bool(options)
    assert ("figures/circuits_tracing.svg" in report) == (not options)
    assert ("Single pairs" in html) == (not options)
    if change is without_latents:
        assert "figures/circuits_classes.svg" not in report
        assert "most influential latents" not in html


def drawn(axes):
    """Colour -> (x, y) of each curve that has points."""
    curves = [line for line in axes.lines if line.get_marker() != "None"]
    return {to_hex(line.get_color()).upper(): line.get_xydata().tolist() for line in curves}


def test_groups_are_drawn_against_the_null(make_project):
    layers = make_project(layers=("only",)).read().metrics["circuits"]
    with fixed_style():
        figure = circuit_figures.groups_figure(layers)
        figure.draw_without_rendering()
    for axes, family in zip(figure.axes, circuit_tables.FAMILIES, strict=True):
        groups = layers["only"]["ablation"][family]["kinds"]["mean"]["groups"]
        measured = [[group["size"], group["effect"]["value"]] for group in groups]
        null = [[group["size"], group["null"]["effect"]["mean"]] for group in groups]
        assert drawn(axes) == {MEASURED: measured, NULL: null}


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
    table = pd.DataFrame(rows)
    shown = (table["family"] == "latents") & (table["kind"] == "zero") & (table["role"] == "top")
    return table.assign(effect=table["effect"].where(shown, 99.0))


def test_latents_of_one_class_stand_together_and_the_strongest_first():
    effects = [[0.1, 0.0], [0.0, 0.5], [0.4, -0.2], [-0.9, 0.3]]
    with fixed_style():
        figure = circuit_figures.classes_figure(class_effects(effects, ["z", "a"]))
        figure.draw_without_rendering()
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["2", "0", "1", "3"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["z", "a"]
    image = axes.images[0]
    np.testing.assert_allclose(image.get_array(), np.array(effects)[[2, 0, 1, 3]])
    assert image.get_clim() == (-0.9, 0.9)


def test_of_many_latents_and_classes_the_strongest_and_most_frequent_are_drawn():
    effects = np.arange(40)[:, None] * np.ones(100)
    table = class_effects(effects.tolist(), [f"class {n}" for n in range(100)])
    with fixed_style():
        figure = circuit_figures.classes_figure(table)
        figure.draw_without_rendering()
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (20, 30)
    assert image.min() == 20


def test_donor_classes_are_rows_and_the_diagonal_is_empty(make_project):
    patching = make_project().read().metrics["circuits"]["late"]["patching"]
    patching["kinds"]["latents"]["matrix"] = [[None, 0.25], [0.75, None]]
    with fixed_style():
        figure = circuit_figures.influence_figure(patching)
        figure.draw_without_rendering()
    [axes] = [each for each in figure.axes if each.get_title(loc="left").startswith("latents")]
    found = axes.images[0].get_array().filled(np.nan)
    np.testing.assert_array_equal(found, [[np.nan, 0.25], [0.75, np.nan]])
    rows = {
        (row["kind"], row["donor"], row["target"]): row["influence"]
        for row in (circuit_tables.influence_table(patching).rows)
    }
    assert rows["latents", "cat", "dog"] == 0.25
    assert rows["latents", "dog", "cat"] == 0.75
    assert ("latents", "cat", "cat") not in rows


@pytest.mark.parametrize(
    ("tracing", "canvas"),
    [
        (
            {"prefix": [], "grid": [2, 2], "recovered": [0.1, 0.2, 0.3, 0.4]},
            [[0.1, 0.2], [0.3, 0.4]],
        ),
        (
            {"prefix": ["class", "register"], "grid": [1, 2], "recovered": [0.9, 0.8, 0.1, 0.2]},
            [[0.9, np.nan, 0.1, 0.2], [0.8, np.nan, np.nan, np.nan]],
        ),
        ({"prefix": [], "grid": None, "recovered": [0.1, 0.2]}, [[0.1, 0.2]]),
        ({"prefix": [], "grid": [1, 1], "recovered": [0.7]}, [[0.7]]),
    ],
    ids=["grid", "prefix", "no grid", "one site"],
)
def test_traced_sites_are_drawn_where_they_lie(tracing, canvas):
    tracing = tracing | {"null": [0.0]}
    with fixed_style():
        figure = circuit_figures.tracing_figure({"late": tracing})
        figure.draw_without_rendering()
    found = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(np.ma.filled(found, np.nan), canvas)


def opacity(uri):
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))
    return pixels[..., 3] / (255 * embedding.HEAT_OPACITY)


def test_a_trace_covers_the_positions_of_each_site():
    """A 3 x 5 grid in blocks of 2 x 2: those at the border have fewer positions."""
    tracing = {"prefix": ["class"], "grid": [2, 3], "joined": [2, 2]}
    example = {"recovered": [0.9, 0.5, 0.25, -0.1, 0.0, 0.1, 0.4]}
    found = traces.trace_map("late", tracing, example, [3, 5])
    expected = [[1, 1, 0.5, 0.5, 0], [1, 1, 0.5, 0.5, 0], [0, 0, 0.2, 0.2, 0.8]]
    np.testing.assert_allclose(opacity(found.heat), expected, atol=0.004)
    assert (found.strongest, found.prefix) == (0.5, [("class", 0.9)])


@pytest.mark.parametrize(
    ("grid", "recovered"),
    [(None, [0.1, 0.2]), ([1, 1], [0.2]), ([1, 2], [-0.1, 0.0])],
    ids=["no grid", "one site", "nothing brought back"],
)
def test_where_there_is_no_map_there_is_no_heat(grid, recovered):
    tracing = {"prefix": [], "grid": grid, "joined": [1, 1]}
    found = traces.trace_map("late", tracing, {"recovered": recovered}, grid)
    assert (found.heat, found.strongest) == (None, max(recovered))


def test_layers_show_the_pairs_that_they_traced(make_project):
    project = make_project(layers=("early", "late"))

    def keep_second(metrics):
        del metrics["tracing"]["examples"][0]

    edit(project, "early", keep_second)
    first, second = traces.traces(project.read())
    assert (first.image_id, first.donor_id) == (0, 2)
    assert [each.alias for each in first.maps] == ["late"]
    assert [each.alias for each in second.maps] == ["early", "late"]


def test_every_ablation_has_a_row_with_its_controls(make_project):
    layers = make_project().read().metrics["circuits"]
    rows = circuit_tables.ablation_table(layers).rows
    assert len(rows) == 2 * 3 * 3
    for row in rows:
        assert (row["effect"]["value"], row["effect_controls"]["value"]) == (0.8, 0.1)
    assert len(circuit_tables.group_table(layers).rows) == 2 * 3 * 3 * 3
    by_kind = {
        row["kind"]: row
        for row in circuit_tables.patching_table({"late": layers["late"]["patching"]}).rows
    }
    assert list(by_kind) == list(circuit_tables.PATCHED.values())
    assert by_kind["latents"]["influence_null"]["value"] == 0.1
    assert "influence_null" not in by_kind["whole layer"]


def test_top_latents_stand_beside_their_controls_strongest_first(make_project):
    rows = circuit_tables.unit_table(make_project().read().ablation["late"]).rows
    assert [(row["unit"], row["control"]) for row in rows] == [
        ("3", "13"),
        ("2", "12"),
        ("1", "11"),
        ("0", "10"),
    ]
    assert rows[0]["effect"]["value"] == pytest.approx(0.4)
    assert rows[0]["control_effect"]["value"] == 0.01


def test_thirty_layers_and_a_thousand_classes_fit(make_project):
    findings = make_project(class_names=[f"class {n} $" for n in range(1000)]).read()
    metrics = findings.metrics["circuits"]["late"]
    layers = {f"layer{n}": metrics for n in range(30)}
    names = [f"class {n} $" for n in range(50)]
    metrics["patching"]["classes"] = names
    for kind in metrics["patching"]["kinds"].values():
        kind["matrix"] = [[None if i == j else 0.5 for j in range(50)] for i in range(50)]
    with fixed_style():
        for figure in (
            circuit_figures.ablation_figure(layers),
            circuit_figures.groups_figure(layers),
            circuit_figures.patching_figure({a: each["patching"] for a, each in layers.items()}),
            circuit_figures.influence_figure(metrics["patching"]),
            circuit_figures.tracing_figure({a: each["tracing"] for a, each in layers.items()}),
        ):
            figure.draw_without_rendering()
            assert figure.get_size_inches()[1] < 30
