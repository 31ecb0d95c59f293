"""Figures: the same bytes for the same content, whatever the clock and the user's style."""

import re

import matplotlib
import pytest
from matplotlib.figure import Figure

from tickle_core.reporting import plots
from tickle_core.reporting.sections import dimension
from tickle_core.reporting.style import fixed_style, layer_colors, save_figure, short


def draw(path, title="a title"):
    with fixed_style():
        figure = Figure()
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], label=title)
        axes.set_title(title)
        axes.legend()
        save_figure(figure, path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_bytes_depend_on_neither_clock_nor_style_files(tmp_path, monkeypatch, kind):
    first = draw(tmp_path / f"a.{kind}")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        assert draw(tmp_path / f"b.{kind}") == first


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_neither_version_nor_date_is_written(tmp_path, kind):
    content = draw(tmp_path / f"a.{kind}")
    assert matplotlib.__version__.encode() not in content
    assert not re.search(rb"dc:date|CreationDate", content)


@pytest.mark.parametrize("name", ["$x", r"$\frac{1}$", "<b>", "50 % & more", "a_b^c\\"])
def test_names_from_data_are_drawn_letter_by_letter(tmp_path, name):
    assert draw(tmp_path / "a.svg", name)
    with fixed_style():
        assert Figure().text(0, 0, name).get_parse_math() is False


def test_drawing_leaves_the_style_of_others_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    draw(tmp_path / "a.svg")
    assert dict(matplotlib.rcParams) == before


def test_thirty_layers_have_thirty_colors():
    assert len(set(layer_colors(30))) == 30
    assert len(layer_colors(1)) == 1


def test_long_names_are_cut():
    assert short("x" * 24) == "x" * 24
    assert short("x" * 25) == "x" * 23 + "…"


def test_of_many_classes_the_extremes_are_drawn(make_project):
    findings = make_project(class_names=[f"class {n}" for n in range(100)]).read()
    layers = findings.metrics["dimension"]
    for number, entry in enumerate(layers["late"]["image"]["classes"]):
        entry["dimension"] = number
    assert dimension._extreme_classes(layers) == [*range(15), *range(85, 100)]


def test_thirty_layers_fit_into_every_figure(make_project):
    layers = make_project(layers=("one",)).read().metrics["dimension"]
    many = {f"layer{n}": layers["one"] for n in range(30)}
    with fixed_style():
        for figure in (dimension.layer_figure(many), dimension.class_figure(many, ("cat", "dog"))):
            figure.draw_without_rendering()


@pytest.mark.parametrize("count", [1, 2, 6, 7, 30])
def test_layers_that_stand_for_all_include_first_and_last(count):
    shown = plots.evenly(count, 6)
    assert len(shown) == len(set(shown)) == min(count, 6)
    assert (shown[0], shown[-1]) == (0, count - 1)
