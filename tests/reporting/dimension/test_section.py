"""The section on dimension: corrections, open values, lower bounds, many layers and sets."""

import numpy as np
import pandas as pd
import pytest

from tickle_core.reporting.dimension import figures, tables
from tickle_core.reporting.dimension.found import read
from tickle_core.reporting.dimension.section import section
from tickle_core.reporting.kit.style import fixed_style
from tickle_core.results import read_json, write_json


def test_the_dimension_has_its_correction_its_bias_and_its_null(make_project):
    project = make_project()
    table = tables.layer_table(read(project.read()).metrics)
    keys = [column.key for column in table.columns]
    texts = dict(zip(keys, table.texts()[0], strict=True))
    assert texts["dimension"] == ("3.1", "[2.8, 3.4]")
    assert texts["raw"] == ("2.9", "")
    assert texts["bias"] == ("−0.2", "(−0.3 to −0.1)")
    assert texts["quarter"] == texts["half"] == ("3.1", "[2.8, 3.4]")
    assert texts["untrained"] == ("4.0", "[3.8, 4.2]")
    assert project.headlines()["dimension_pca95"]["null"]["value"] == 4.0
    assert "[2.8, 3.4] principal components hold 95" in section(project.read()).summary


def test_a_dimension_that_cannot_be_told_is_an_interval_with_a_hollow_middle(
    make_project, tmp_path
):
    project = make_project(layers=("only",))
    path = project.metrics / "dimension" / "only.json"
    metrics = read_json(path)
    metrics["image"]["global"] |= {"value": None, "why": "40 images tell only so much"}
    write_json(path, metrics)
    figure = figures.layer_figure(read(project.read()).metrics)
    points = figure.axes[0].collections[0]
    assert points.get_offsets()[:, 0].tolist() == pytest.approx([3.1])
    assert (points.get_facecolors() == 1).all()
    html = project.write(tmp_path)["index.html"].decode()
    assert "There is no PCA dimension: 40 images tell only so much." in html
    assert "hollow point is the middle of an interval" in html


def test_of_many_sets_the_extremes_are_drawn():
    names = [str(n) for n in range(100)]
    sets = pd.DataFrame({"kind": "class", "name": names, "raw": np.arange(100.0), "value": 1.0})
    shown = figures._extremes(sets.sample(frac=1, random_state=0))
    assert [name for _, name in shown] == [*names[:15], *names[85:]]
    assert figures._extremes(sets[:30]) == [("class", name) for name in names[:30]]


def test_what_is_a_lower_bound_says_so(make_project, tmp_path):
    project = make_project(layers=("only",), dimension={"at_least": True})
    texts = tables.local_table(read(project.read()).metrics).texts()
    assert texts[0][3][0] == "≥\N{THIN SPACE}3.1"
    html = project.write(tmp_path)["index.html"].decode()
    assert "they fill ≥\N{THIN SPACE}3.1 [2.8, 3.4]" in html


def test_without_large_classes_there_are_no_sets(make_project, tmp_path):
    project = make_project(dimension={"large_classes": False})
    html = project.write(tmp_path)["index.html"].decode()
    assert "No class has 10 held-out images" in html
    assert "dimension_sets_pca" not in section(project.read()).figures


def test_concepts_are_named_escaped(make_project, tmp_path):
    files = make_project().write(tmp_path)
    assert b"fluffy <b>" in files["tables/dimension_sets.csv"]
    assert b"fluffy <b>" not in files["index.html"]


def test_thirty_layers_fit_into_every_figure(make_project):
    found = read(make_project(layers=("one",)).read())

    def thirty(by_layer):
        return {f"layer{n}": by_layer["one"] for n in range(30)}

    layers = thirty(found.metrics)
    with fixed_style():
        for figure in (
            figures.layer_figure(layers),
            figures.set_figure(thirty(found.sets), thirty(found.any_set), "pca"),
            figures.local_figure(layers),
            figures.scale_figure(thirty(found.scales)),
            figures.spectrum_figure(layers, thirty(found.spectra), 0.95),
        ):
            figure.draw_without_rendering()
