"""The sections on probes and dimension: kinds of token, missing accuracies, open values."""

import json

import pytest

from tickle_core.reporting.sections import dimension, probes


def test_class_tokens_have_rows_and_points_of_their_own(make_project, tmp_path):
    project = make_project(prefix=("class", "register", "register"))
    found = project.read()
    section = probes.section(found)
    rows = section.tables["probes"].rows
    assert [(row["layer"], row["kind"]) for row in rows] == [
        (layer, kind) for layer in ("early", "late") for kind in ("patch", "class", "register")
    ]
    # Positions are patches; the other kinds have no best one.
    assert [row["best_position"] is not None for row in rows] == [True, False, False] * 2
    names = [
        text.get_text() for text in section.figures["probes_accuracy"].axes[0].get_yticklabels()
    ]
    assert names[:3] == ["early", "early, class", "early, register"]
    html = project.write(tmp_path)["index.html"].decode()
    assert "Class and register tokens are read" in html


def test_one_kind_of_token_is_not_made_much_of(make_project, tmp_path):
    html = make_project().write(tmp_path)["index.html"].decode()
    assert "are read\napart" not in html
    assert "Per layer</b>, with 95" in html


def test_control_draws_and_the_null_of_selectivity_are_in_the_table(make_project):
    table = probes.layer_table(make_project().read().metrics["probes"])
    keys = [column.key for column in table.columns]
    texts = dict(zip(keys, table.texts()[0], strict=True))
    assert texts["draws"] == ("2: 0.360 to 0.450", "")
    assert texts["selectivity_null"] == ("−0.010", "(−0.050 to 0.040)")
    assert texts["shuffled"] == ("0.310", "(0.250 to 0.370)")


def test_without_a_shared_class_the_page_says_why_and_shows_no_accuracy(make_project, tmp_path):
    project = make_project(judged=False)
    report = project.write(tmp_path)
    html = report["index.html"].decode()
    assert "Here no class is on both sides: no train image shows the class" in html
    assert "A linear probe reads" not in html
    assert not [name for name in report if "probes_" in name and name.endswith("svg")]
    assert 'id="probes_accuracy"' not in html
    for name in ("probe_accuracy", "probe_chance", "probe_selectivity"):
        assert project.read().headline[name]["value"] is None


def test_left_out_images_are_counted(make_project, tmp_path):
    project = make_project()
    for path in (project.metrics / "probes").glob("*.json"):
        content = json.loads(path.read_text())
        content["images"]["left_out"] = 7
        path.write_text(json.dumps(content))
    assert "7 held-out images are left out" in project.write(tmp_path)["index.html"].decode()


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


@pytest.fixture
def open_project(make_project):
    """Too few images to tell the dimension of pooled images."""
    project = make_project()
    for path in (project.metrics / "dimension").glob("*.json"):
        content = json.loads(path.read_text())
        content["image"]["global"].update(value=None, why="40 images tell only so much")
        path.write_text(json.dumps(content))
    return project


def test_a_dimension_that_cannot_be_told_is_an_interval_with_a_hollow_middle(
    open_project, tmp_path
):
    found = open_project.read()
    figure = dimension.layer_figure(found.metrics["dimension"])
    points = figure.axes[0].collections[0]
    assert points.get_offsets()[:, 0].tolist() == pytest.approx([3.1, 3.1])
    assert (points.get_facecolors() == 1).all()
    html = open_project.write(tmp_path)["index.html"].decode()
    assert "There is no PCA dimension: 40 images tell only so much." in html
    assert "A\nhollow point" in html or "A hollow point" in html
