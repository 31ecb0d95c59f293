"""Figures: the same bytes for the same content, whatever the clock and the user's style."""

import re
import warnings

import matplotlib
import pytest
from matplotlib.figure import Figure

from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.saving import save_figure, save_figures
from tickle_core.reporting.kit.style import fixed_style, layer_colors, short


def draw(path, title="a title"):
    with fixed_style():
        figure = Figure()
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], label=title)
        axes.set_title(title)
        axes.legend()
    save_figure(figure, path.parent, path.stem)
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


def test_many_figures_are_saved_as_single_ones_are(tmp_path):
    alone = {kind: draw(tmp_path / f"alone.{kind}") for kind in ("svg", "pdf")}
    with fixed_style():
        figures = {f"figure{n}": Figure() for n in range(5)}
        for figure in figures.values():
            axes = figure.subplots()
            axes.plot([0, 1], [0, 1], label="a title")
            axes.set_title("a title")
            axes.legend()
    (tmp_path / "many").mkdir()
    save_figures(figures, tmp_path / "many")
    assert len(list((tmp_path / "many").iterdir())) == 10
    for name in figures:
        for kind, content in alone.items():
            assert (tmp_path / "many" / f"{name}.{kind}").read_bytes() == content


def test_a_figure_that_cannot_be_saved_is_an_error(tmp_path):
    with pytest.raises((RuntimeError, OSError)):
        save_figures({"a": Figure(), "b": Figure()}, tmp_path / "missing")


def test_thirty_layers_have_thirty_colors():
    assert len(set(layer_colors(30))) == 30
    assert len(layer_colors(1)) == 1


@pytest.mark.parametrize("name", ["猫と犬", "고양이", "قطة", "می‌خواهم", "חתול", "Žižkov", "😀"])
def test_names_of_many_scripts_have_letters_and_no_boxes(tmp_path, name):
    assert short(name) == name
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a letter that no font has
        draw(tmp_path / "a.svg", name)
        draw(tmp_path / "a.pdf", name)


def test_what_no_font_has_is_drawn_by_its_name_or_number():
    assert short("🐶 dog") == "[dog face] dog"
    assert short("แ") == "[U+0E41]"


def test_long_names_are_cut():
    assert short("x" * 24) == "x" * 24
    assert short("x" * 25) == "x" * 23 + "…"


def test_of_a_last_row_that_is_not_full_the_row_above_is_labelled():
    with fixed_style():
        figure, panels = plots.panels(4, 3, 2.0, sharex=True)
        figure.draw_without_rendering()
    labelled = [any(text.get_visible() for text in axes.get_xticklabels()) for axes in panels]
    assert labelled == [False, True, True, True]


@pytest.mark.parametrize("count", [1, 2, 6, 7, 30])
def test_layers_that_stand_for_all_include_first_and_last(count):
    shown = plots.evenly(count, 6)
    assert len(shown) == len(set(shown)) == min(count, 6)
    assert (shown[0], shown[-1]) == (0, count - 1)
