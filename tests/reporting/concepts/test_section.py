"""The section on concepts: escaped names, scores that cannot be tested, many concepts."""

import numpy as np
import pandas as pd
import pytest

from tickle_core.reporting.concepts import figures
from tickle_core.reporting.concepts.found import read
from tickle_core.reporting.concepts.section import section
from tickle_core.reporting.kit.style import fixed_style


@pytest.fixture(scope="module")
def project(make_project):
    return make_project()


@pytest.fixture(scope="module")
def html(project, tmp_path_factory):
    return project.write(tmp_path_factory.mktemp("report"))["index.html"].decode()


def test_names_of_concepts_are_escaped_everywhere(html):
    assert "fluffy &lt;b&gt;" in html
    assert "fluffy <b>" not in html


def test_the_share_stands_beside_that_of_arbitrary_concepts(project, html):
    found = section(project.read())
    assert "25.0\N{NARROW NO-BREAK SPACE}% of 4 pairs" in found.summary
    assert "10.0\N{NARROW NO-BREAK SPACE}% (5.0" in found.summary
    assert "3 can be read from it better" in found.summary
    headline = project.headlines()["tcav_significant_share"]
    assert headline["value"] == 0.25 and headline["null"]["value"] == 0.1
    assert "arbitrary groups of as many classes pass the same test" in html


def test_each_latent_has_its_concept_in_the_gallery(project):
    [column] = section(project.read()).latent_columns
    assert column.cells["late"][0] == ("0.80 fluffy <b>", "random 0.70")


def test_where_nothing_can_be_tested_the_page_says_why(make_project, tmp_path):
    project = make_project(layers=("only",), concepts={"tested": False})
    html = project.write(tmp_path)["index.html"].decode()
    assert "No pair is tested at only: the tail is linear." in html
    assert project.headlines()["tcav_significant_share"]["value"] is None


def test_concepts_that_are_left_out_are_named(make_project, tmp_path):
    project = make_project(layers=("only",), concepts={"left_out": {"bird": "2 train images"}})
    assert "bird (2 train images)" in project.write(tmp_path)["index.html"].decode()


def test_a_layer_without_a_grid_plays_no_pointing_game(make_project, tmp_path):
    project = make_project(layers=("only",), grid=None)
    html = project.write(tmp_path)["index.html"].decode()
    assert 'id="concepts_pointing"' not in html
    assert "Images that have most of a concept" in html


def test_members_are_counted_where_the_set_has_any(html):
    part = html[html.index("Images that have most of a concept") :]
    assert "<b>1 of 2</b> belong to it" in part


def test_many_concepts_and_classes_fit_into_every_figure(project):
    found = read(project.read())
    scores = pd.DataFrame(
        {"concept": f"concept {c}", "target": f"class {t}", "score": 0.5, "member": t == 0}
        | {"significant": t == 1}
        for c in range(40)
        for t in range(30)
    )
    pairs = pd.DataFrame(
        [
            (f"concept {a}", f"concept {b}", 0, 0.5, 0, -0.1, 0.1)
            for a in range(40)
            for b in range(a + 1, 40)
        ],
        columns=["one", "other", "shared", "cosine", "null", "null_low", "null_high"],
    )
    one = next(iter(found.metrics.values()))
    each = one["sets"]["striped"]
    many = {f"layer{n}": one | {"sets": {f"c{c}": each for c in range(40)}} for n in range(9)}
    with fixed_style():
        for figure in (
            figures.tcav_figure(scores),
            figures.relations_figure(pairs),
            figures.readable_figure(many),
            figures.pointing_figure(many),
        ):
            figure.draw_without_rendering()


def test_a_pair_outside_the_range_of_its_null_is_framed(project):
    with fixed_style():
        figure = figures.relations_figure(read(project.read()).relations["late"])
    corners = {
        tuple(np.round(np.add(each.get_xy(), 0.43)).astype(int)) for each in figure.axes[0].patches
    }
    # Of (fluffy, dark), sorted: dark is 0, fluffy 1.
    assert corners == {(0, 1)}
