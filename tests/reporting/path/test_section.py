"""The section on paths: every way in its space, strips, a network of one class."""

from tickle_core.path.walks import STRIP
from tickle_core.reporting.path import section


def test_every_way_has_its_row(make_project):
    made = section.section(make_project().read())
    rows = made.tables["path"].rows
    assert [(row["space"], row["way"]) for row in rows] == [
        ("through pixels", "least cost"),
        ("through pixels", "straight line"),
        ("through pixels", "nearest neighbours"),
        ("through pixels", "the attack’s own way"),
        ("through the layer", "least cost"),
        ("through the layer", "straight line"),
    ]
    assert rows[0]["excess"]["value"] == 2 and "unlike" not in rows[-1]


def test_strips_say_what_images_are_taken_for(make_project, tmp_path):
    project = make_project()
    made = section.section(project.read())
    (_, strips), *_ = made.facts["strips"]
    assert [strip.way for strip in strips][0] == "least cost"
    assert [name for _, name in strips[0].points] == ["cat"] * 5 + ["dog"] * 4
    assert all(key in made.pictures for key, _ in strips[0].points)
    assert len(strips[0].points) == STRIP
    assert strips[0].map and not strips[-1].map
    assert "Ways to look at" in project.write(tmp_path)["index.html"].decode()


def test_where_an_attack_ends_is_no_image_of_the_set(make_project):
    rows = section.section(make_project().read()).tables["path_pairs"].rows
    assert all((row["last_id"] is None) == (row["way"] == "the attack’s own way") for row in rows)


def test_a_network_of_one_class_has_no_paths(make_project, tmp_path):
    project = make_project(path={"pairs": 0})
    made = section.section(project.read())
    assert made.figures == {} and made.facts["strips"] == []
    assert "Fewer than two classes." in project.write(tmp_path)["index.html"].decode()
    found = project.headlines()["path_excess"]
    assert found == {"value": None, "why": "fewer than two classes"}


def test_the_headline_has_the_straight_line_as_its_null(make_project):
    found = make_project().headlines()["path_excess"]
    assert (found["value"], found["null"]["value"]) == (2, 6)
