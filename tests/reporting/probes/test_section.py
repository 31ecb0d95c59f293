"""The section on probes: kinds of token, missing accuracies, what is confused."""

import json

import pandas as pd
import pytest

from tickle_core.reporting.kit.style import fixed_style
from tickle_core.reporting.probes import figures, tables
from tickle_core.reporting.probes.found import read
from tickle_core.reporting.probes.section import section


def edit(project, stage, change):
    for path in (project.metrics / stage).glob("*.json"):
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def unusual(make_project):
    """Class and register tokens, and left-out images."""
    project = make_project(layers=("only",), prefix=("class", "register", "register"))
    edit(project, "probes", lambda content: content["images"].update(left_out=7))
    return project


@pytest.fixture(scope="module")
def html(unusual, tmp_path_factory):
    return unusual.write(tmp_path_factory.mktemp("report"))["index.html"].decode()


def test_class_tokens_have_rows_and_points_of_their_own(unusual, html):
    found = section(unusual.read())
    rows = found.tables["probes"].rows
    assert [row["kind"] for row in rows] == ["patch", "class", "register"]
    # Positions are patches; the other kinds have no best one.
    assert [row["best_position"] is not None for row in rows] == [True, False, False]
    axes = found.figures["probes_accuracy"].axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["only", "only, class", "only, register"]
    assert "Class and register tokens are read" in html


def test_control_draws_and_the_null_of_selectivity_are_in_the_table(make_project):
    table = tables.layer_table(read(make_project().read()).metrics)
    keys = [column.key for column in table.columns]
    texts = dict(zip(keys, table.texts()[0], strict=True))
    assert texts["draws"] == (
        "2:\N{NO-BREAK SPACE}0.360\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}0.450",
        "",
    )
    assert texts["selectivity_null"] == ("−0.010", "(−0.050 to 0.040)")
    assert texts["shuffled"] == ("0.310", "(0.250 to 0.370)")


def test_without_a_shared_class_the_page_says_why_and_shows_no_accuracy(make_project, tmp_path):
    project = make_project(layers=("only",), probes={"judged": False})
    report = project.write(tmp_path)
    html = report["index.html"].decode()
    assert "Here no class is on both sides: no train image shows the class" in html
    assert "A linear probe reads" not in html
    assert not [name for name in report if "probes_" in name and name.endswith("svg")]
    assert 'id="probes_accuracy"' not in html
    for name in ("probe_accuracy", "probe_chance", "probe_selectivity"):
        assert project.headlines()[name]["value"] is None


def test_left_out_images_are_counted(html):
    assert "7 held-out images are left out" in html


def test_confused_pairs_are_the_largest_errors():
    counts = [(0, 0, 9), (0, 2, 1), (2, 0, 4), (2, 2, 5), (3, 2, 2), (3, 3, 7)]
    confusion = pd.DataFrame(counts, columns=["true", "predicted", "images"])
    classes = pd.DataFrame({"label": [0, 2, 3], "n": [10, 9, 9]})
    rows = tables.confused_table(confusion, classes, ("a", "unused", "b", "c")).rows
    found = [(row["true"], row["predicted"], row["images"], row["n"]) for row in rows]
    assert found == [("b", "a", 4, 9), ("c", "b", 2, 9), ("a", "b", 1, 10)]


def test_thirty_layers_fit_into_every_figure(make_project):
    found = read(make_project(layers=("one",)).read())
    layers, positions = (
        {f"layer{n}": by_layer["one"] for n in range(30)}
        for by_layer in (found.metrics, found.positions)
    )
    with fixed_style():
        for figure in (
            figures.accuracy_figure(layers),
            figures.position_figure(layers, positions),
        ):
            figure.draw_without_rendering()
