"""The section on deltas: recovery beside its rivals, hijacked latents, too few images."""

from tickle_core.reporting.delta import section


def test_recovery_stands_beside_every_rival(make_project):
    made = section.section(make_project().read())
    rows = made.tables["delta_recovery"].rows
    assert len(rows) == 2 * 7
    assert rows[0]["recovered"]["value"] == 0.3 and rows[1]["recovered"]["value"] == 0.1
    assert {row["what"] for row in rows} >= {"a random basis", "channels", "latents: at random"}
    assert "as much of a random basis 40\N{NARROW NO-BREAK SPACE}%" in made.summary


def test_hijacked_latents_come_with_pictures_and_images(make_project, tmp_path):
    project = make_project()
    made = section.section(project.read())
    latents = made.facts["hijacked"]["late"]
    assert [latent.number for latent in latents] == [0, 1, 2]
    assert all(latent.picture in made.pictures for latent in latents)
    shown = {thumb.image_id for latent in latents for thumb in latent.thumbs}
    assert shown and shown <= set(made.image_ids)
    assert made.latent_columns[0].cells["late"][1] == ("0.15", "(0.01)")
    assert "The hijacked latents" in project.write(tmp_path)["index.html"].decode()


def test_outcomes_add_up(make_project):
    rows = section.section(make_project().read()).tables["delta_outcomes"].rows
    found = [(row["class"], row["back"], row["still"], row["other"]) for row in rows]
    assert found[:2] == [("cat", 5, 3, 0), ("dog", 2, 0, 0)]


def test_too_few_adversarial_images_are_no_result(make_project, tmp_path):
    project = make_project(delta={"enough": False})
    made = section.section(project.read())
    assert made.figures == {} and made.summary == ""
    assert "too few images" in project.write(tmp_path)["index.html"].decode()
    assert project.headlines()["delta_recovery"] == {"value": None, "why": "too few images"}


def test_without_pictures_images_stand_alone(make_project):
    made = section.section(make_project(delta={"pictures": False}).read())
    assert made.pictures == {}


def test_the_headline_has_random_latents_as_its_null(make_project):
    found = make_project().headlines()["delta_recovery"]
    assert (found["value"], found["null"]["value"]) == (0.3, 0.1)
