"""The section on circuits: its numbers beside their nulls, its maps, and what may be missing."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.reporting.circuits import made_up_ablation, made_up_patching
from tickle_core.reporting.circuits import figures, section, tables, traces
from tickle_core.reporting.circuits.found import read
from tickle_core.reporting.circuits.headlines import HEADLINES
from tickle_core.reporting.kit import embedding
from tickle_core.reporting.kit.style import fixed_style
from tickle_core.results import read_json, write_json

pytestmark = pytest.mark.slow


def edit(project, alias, change):
    path = project.metrics / "circuits" / f"{alias}.json"
    content = read_json(path)
    change(content)
    write_json(path, content)


def without_latents(metrics):
    """No latent is alive: nothing was ablated."""
    found = metrics["ablation"]["latents"]
    found.update(alive=0, chosen=0, matched=0)
    del found["kinds"], found["carries_over"]


def without_controls(metrics):
    """Nothing to hold the top units against."""
    made_up_ablation.without_random_groups(metrics["ablation"])
    for kind in metrics["patching"]["kinds"].values():
        kind["rivals"] = {}
        for each in (kind["influence"], kind["flipped"]):
            each |= {"null": None, "why": "no other parts"}


def test_headlines_are_those_of_the_largest_group_and_of_latents(make_project):
    found = make_project().headlines()
    ablation, patching = found["ablation_effect"], found["patching_effect"]
    assert (ablation["value"], ablation["null"]["value"]) == (5.6, 0.0)
    assert (patching["value"], patching["null"]["value"]) == (0.8, 0.4)
    assert {each.key for each in HEADLINES} == {"ablation_effect", "patching_effect"}


@pytest.mark.parametrize(
    ("change", "options", "missing"),
    [
        (without_latents, {}, {"ablation_effect"}),
        (without_controls, {}, {"ablation_effect"}),
        (lambda metrics: None, {"circuits": {"single_class": True}}, {"patching_effect"}),
    ],
    ids=["no latent alive", "no controls", "a single class"],
)
def test_what_cannot_be_said_is_left_out(make_project, tmp_path, change, options, missing):
    project = make_project(layers=("only",), **options)
    edit(project, "only", change)
    if "ablation_effect" in missing:
        for name in ("ablation", "class_effects", "curves"):
            path = project.data / "circuits" / "only" / f"{name}.parquet"
            table = pd.read_parquet(path)
            table[table["family"] != "latents"].to_parquet(path)
    report = project.write(tmp_path)
    html = report["index.html"].decode()
    headline = project.headlines()
    assert {each.key for each in HEADLINES if headline[each.key]["value"] is None} == missing
    assert ("Nothing to patch between: a single class" in html) == bool(options)
    assert ("with random directions" in html) == (change is not without_controls and not options)
    assert ("figures/circuits_tracing.svg" in report) == (not options)
    assert ("Single pairs" in html) == (not options)
    if change is without_latents:
        assert "figures/circuits_classes.svg" not in report
        assert "latents that support predictions" not in html


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0.85, "much alike (rank correlation 0.85 [0.80, 0.90]; by their energy 0.40)"),
        (0.35, "somewhat alike (rank correlation 0.35"),
        (
            0.02,
            "latents as others cannot be seen (rank correlation 0.02 [−0.03, 0.07])",
        ),
    ],
)
def test_the_page_says_whether_other_images_would_choose_the_same(make_project, value, says):
    project = make_project(layers=("only",))

    def change(metrics):
        found = metrics["ablation"]["latents"]["carries_over"]
        found.update(value=value, interval=[value - 0.05, value + 0.05])

    edit(project, "only", change)
    found = section.section(project.read())
    assert says in found.summary
    assert says in found.facts["carries_over"]["only"]


def test_donor_classes_are_rows_and_the_diagonal_is_empty():
    cells = made_up_patching.cells(["cat", "dog"])
    cells.loc[cells["kind"] == "latents", "influence"] = [0.25, 0.75]
    with fixed_style():
        figure = figures.influence_figure(cells)
        figure.draw_without_rendering()
    [axes] = [each for each in figure.axes if each.get_title(loc="left") == "latents"]
    found = axes.images[0].get_array().filled(np.nan)
    np.testing.assert_array_equal(found, [[np.nan, 0.25], [0.75, np.nan]])
    rows = {
        (row["kind"], row["donor"], row["target"]): row["influence"]
        for row in (tables.influence_table(cells).rows)
    }
    assert rows["latents", "cat", "dog"] == 0.25
    assert rows["latents", "dog", "cat"] == 0.75
    assert ("latents", "cat", "cat") not in rows


def test_where_there_is_no_way_to_go_a_cell_is_empty():
    cells = made_up_patching.cells(["cat", "dog"])
    cells.loc[0, "influence"] = np.nan
    assert tables.influence_table(cells).rows[0]["influence"] is None
    with fixed_style():
        figures.influence_figure(cells).draw_without_rendering()


@pytest.mark.parametrize(
    ("prefix", "grid", "recovered", "canvas"),
    [
        ([], [2, 2], [0.1, 0.2, 0.3, 0.4], [[0.1, 0.2], [0.3, 0.4]]),
        (
            ["class", "register"],
            [1, 2],
            [0.9, 0.8, 0.1, 0.2],
            [[0.9, np.nan, 0.1, 0.2], [0.8, np.nan, np.nan, np.nan]],
        ),
        ([], None, [0.1, 0.2], [[0.1, 0.2]]),
        ([], [1, 1], [0.7], [[0.7]]),
    ],
    ids=["grid", "prefix", "no grid", "one site"],
)
def test_traced_sites_are_drawn_where_they_lie(prefix, grid, recovered, canvas):
    sites = pd.DataFrame({"recovered": recovered, "null": 0.0})
    layer = {"prefix": prefix, "grid": grid}
    with fixed_style():
        figure = figures.tracing_figure({"late": layer}, {"late": sites})
        figure.draw_without_rendering()
    found = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(np.ma.filled(found, np.nan), canvas)


def opacity(uri):
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))
    return pixels[..., 3] / (255 * embedding.HEAT_OPACITY)


def test_a_trace_covers_the_positions_of_each_site():
    """A 3 x 5 grid in blocks of 2 x 2: those at the border have fewer positions."""
    tracing = {"prefix": ["class"], "grid": [2, 3], "joined": [2, 2]}
    recovered = np.array([0.9, 0.5, 0.25, -0.1, 0.0, 0.1, 0.4])
    found = traces.trace_map("late", tracing, recovered, [3, 5])
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
    found = traces.trace_map("late", tracing, np.array(recovered), grid)
    assert (found.heat, found.strongest) == (None, max(recovered))


def test_layers_show_the_pairs_that_they_traced(make_project):
    project = make_project(layers=("early", "late"))
    path = project.data / "circuits" / "early" / "traces.parquet"
    table = pd.read_parquet(path)
    table[table["image_id"] != 0].to_parquet(path)
    context = project.read()
    first, second = traces.traces(context, read(context))
    assert (first.image_id, first.donor_id) == (0, 2)
    assert [each.alias for each in first.maps] == ["late"]
    assert [each.alias for each in second.maps] == ["early", "late"]


def test_every_kind_and_rival_of_patching_has_a_row(make_project):
    layers = read(make_project().read()).metrics
    found = {
        (row["kind"], row["rule"]): row
        for row in tables.patching_table({"late": layers["late"]["patching"]}).rows
    }
    assert list(dict.fromkeys(kind for kind, _ in found)) == list(tables.PATCHED.values())
    latents = {rule: row for (kind, rule), row in found.items() if kind == "latents"}
    assert list(latents) == ["chosen on other images", *tables.RIVALS.values()]
    assert latents["random units, chosen likewise"]["influence"]["value"] == 0.4
    assert latents["random units, chosen likewise"]["influence"]["range"] == [0.3, 0.5]
    assert [rule for kind, rule in found if kind == "whole layer"] == ["chosen on other images"]


def test_thirty_layers_and_a_thousand_classes_fit(make_project):
    found = read(make_project(class_names=[f"class {n} $" for n in range(1000)]).read())
    metrics = found.metrics["late"]
    layers = {f"layer{n}": metrics for n in range(30)}
    cells = made_up_patching.cells([f"class {n} $" for n in range(50)])
    sites = dict.fromkeys(layers, found.sites["late"])
    with fixed_style():
        for figure in (
            figures.patching_figure({a: each["patching"] for a, each in layers.items()}),
            figures.influence_figure(cells),
            figures.tracing_figure({a: each["tracing"] for a, each in layers.items()}, sites),
        ):
            figure.draw_without_rendering()
            assert figure.get_size_inches()[1] < 40
