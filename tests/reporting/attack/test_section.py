"""The section on attacks: radii in their order, images that fell, a network without a target."""

from tests.reporting.made_up import TEST_IMAGES
from tickle_core.reporting.attack import section


def test_radii_come_in_the_order_of_their_size(make_project):
    made = section.section(make_project().read())
    rows = made.tables["attack"].rows
    radii = [(row["norm"], row["radius"]) for row in rows]
    assert radii == [("L∞", "8/255"), ("L∞", "16/255"), ("L2", "0.5"), ("L2", "1")]
    assert all(row["noise"]["value"] == 0.1 for row in rows)


def test_images_that_fell_stand_beside_what_changed(make_project, tmp_path):
    project = make_project()
    made = section.section(project.read())
    assert len(made.facts["examples"]) == 4
    for example in made.facts["examples"]:
        assert (example.own, example.became) == ("cat", "dog")
        assert {example.adversarial, example.change} <= set(made.pictures)
        assert example.image_id in made.image_ids
    html = project.write(tmp_path)["index.html"].decode()
    assert "Images that fell" in html and "60\N{NARROW NO-BREAK SPACE}%" in made.summary


def test_where_nothing_falls_the_page_says_nothing_of_it(make_project, tmp_path):
    project = make_project(attack={"fallen": 0})
    made = section.section(project.read())
    assert made.summary == "" and "attack_flips" not in made.figures
    html = project.write(tmp_path)["index.html"].decode()
    assert "Images that fell" not in html and "nothing is right" in html
    assert project.headlines()["attack_success_rate"]["value"] is None


def test_classes_that_the_model_does_not_know_are_told(make_project, tmp_path):
    project = make_project(attack={"known": 0})
    html = project.write(tmp_path)["index.html"].decode()
    assert f"Of {TEST_IMAGES} the class is none of the model’s" in html


def test_the_headline_has_noise_as_its_null(make_project):
    found = make_project().headlines()["attack_success_rate"]
    assert (found["value"], found["null"]["value"]) == (0.6, 0.1)
