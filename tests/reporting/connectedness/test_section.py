"""The section on connectedness: every way beside its nulls, strips, a network of one class."""

import math

import pytest

from tickle_core.reporting.connectedness import section
from tickle_core.reporting.connectedness.words import NUMBERS, WAYS


def test_every_number_stands_beside_its_nulls(make_project):
    project = make_project()
    table = section.section(project.read()).tables["connectedness"]
    assert len(table.rows) == 2 * len(WAYS) * len(NUMBERS)
    texts = dict(zip([column.key for column in table.columns], table.texts()[0], strict=True))
    assert texts["within"] == texts["untrained"] == ("0.100", "[0.050, 0.150]")
    assert texts["between"] == texts["untrained_between"] == ("1.000", "[0.950, 1.050]")
    headline = project.headlines()["connectedness_barrier"]
    assert headline["null"]["value"] == 1.0 and "untrained" not in headline


def test_strips_say_how_probable_the_class_is(make_project):
    made = section.section(make_project().read())
    pairs = made.facts["strips"]["Within a class, highest barriers"]
    straight = pairs[0][0]
    assert straight.way == "straight line"
    assert [p for _, _, p in straight.points] == pytest.approx(
        [math.exp(-0.1 * step * (4 - step)) for step in range(4)]
    )
    assert straight.barrier == pytest.approx(0.1)
    assert {image for image, *_ in straight.points} <= set(made.image_ids)


def test_a_network_that_takes_all_for_one_class_is_described(make_project, tmp_path):
    project = make_project(connectedness={"between": False})
    made = section.section(project.read())
    assert made.summary == ""
    assert "Between classes, lowest barriers" not in made.facts["strips"]
    assert b"no such pair" in project.write(tmp_path)["index.html"]


def test_what_holds_by_construction_is_no_headline(make_project):
    found = make_project(connectedness={"linear_tail": True}).headlines()["connectedness_barrier"]
    assert found["value"] is None and "the network is linear" in found["why"]
