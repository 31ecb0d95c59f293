"""The sections on probes and dimension: kinds of token, missing accuracies, open values."""

import json

import pytest
from tickle_core.reporting.sections import dimension, probes


def edit(project, stage, change):
    for path in (project.metrics / stage).glob("*.json"):
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def unusual(make_project):
    """Class and register tokens, left-out images, and too few to tell the dimension of."""
    project = make_project(layers=("only",), prefix=("class", "register", "register"))
    open_value = {"value": None, "why": "40 images tell only so much"}
    edit(project, "probes", lambda content: content["images"].update(left_out=7))
    edit(project, "dimension", lambda content: content["image"]["global"].update(open_value))
    return project


@pytest.fixture(scope="module")
def html(unusual, tmp_path_factory):
    return unusual.write(tmp_path_factory.mktemp("report"))["index.html"].decode()


def test_class_tokens_have_rows_and_points_of_their_own(unusual, html):
    section = probes.section(unusual.read())
    rows = section.tables["probes"].rows
    assert [row["kind"] for row in rows] == ["patch", "class", "register"]
    # Positions are patches; the other kinds have no best one.
    assert [row["best_position"] is not None for row in rows] == [True, False, False]
    axes = section.figures["probes_accuracy"].axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["only", "only, class", "only, register"]
    assert "Class and register tokens are read" in html


def test_control_draws_and_the_null_of_selectivity_are_in_the_table(make_project):
    table = probes.layer_table(make_project().read().metrics["probes"])
    keys = [column.key for column in table.columns]
    texts = dict(zip(keys, table.texts()[0], strict=True))
    assert texts["draws"] == (
        "2:\N{NO-BREAK SPACE}0.360\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}0.450",
        "",
    )
    assert texts["selectivity_null"] == ("−0.010", "(−0.050 to 0.040)")
    assert texts["shuffled"] == ("0.310", "(0.250 to 0.370)")


def test_without_a_shared_class_the_page_says_why_and_shows_no_accuracy(make_project, tmp_path):
    project = make_project(layers=("only",), judged=False)
    report = project.write(tmp_path)
    html = report["index.html"].decode()
    assert "Here no class is on both sides: no train image shows the class" in html
    assert "A linear probe reads" not in html
    assert not [name for name in report if "probes_" in name and name.endswith("svg")]
    assert 'id="probes_accuracy"' not in html
    for name in ("probe_accuracy", "probe_chance", "probe_selectivity"):
        assert project.read().headline[name]["value"] is None


def test_left_out_images_are_counted(html):
    assert "7 held-out images are left out" in html


def test_the_dimension_has_its_correction_and_its_bias_but_no_null(make_project):
    found = make_project().read()
    table = dimension.layer_table(found.metrics["dimension"])
    keys = [column.key for column in table.columns]
    texts = dict(zip(keys, table.texts()[0], strict=True))
    assert texts["dimension"] == ("3.1", "[2.8, 3.4]")
    assert texts["raw"] == ("2.9", "")
    assert texts["bias"] == ("−0.2", "(−0.3 to −0.1)")
    assert texts["quarter"] == texts["half"] == ("3.1", "[2.8, 3.4]")
    assert found.headline["dimension_pca95"]["null"] is None
    assert "[2.8, 3.4] principal components hold 95" in dimension.section(found).summary


def test_a_dimension_that_cannot_be_told_is_an_interval_with_a_hollow_middle(unusual, html):
    figure = dimension.layer_figure(unusual.read().metrics["dimension"])
    points = figure.axes[0].collections[0]
    assert points.get_offsets()[:, 0].tolist() == pytest.approx([3.1])
    assert (points.get_facecolors() == 1).all()
    assert "There is no PCA dimension: 40 images tell only so much." in html
    assert "hollow point is the middle of an interval" in html
