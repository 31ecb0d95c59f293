"""The section on fractures: parts in rows, names escaped, nothing to look at."""

from tickle_core.reporting.fractures import section


def test_the_most_fractured_units_have_a_row_per_part(make_project, tmp_path):
    project = make_project()
    made = section.section(project.read())
    first, second = made.facts["gallery"]
    assert (first.title, second.title) == ("cat <b>", "Latent 7")
    assert [len(part) for part in first.parts] == [3, 3]
    html = project.write(tmp_path)["index.html"].decode()
    assert "cat &lt;b&gt;" in html and "cat <b>" not in html
    assert "1 of 40 classes, 0 of 40 concepts and 1 of 40 latents come in separate parts" in html


def test_where_no_unit_has_points_enough_it_is_said(make_project, tmp_path):
    project = make_project(fractures={"enough": False})
    assert section.section(project.read()).summary == ""
    assert b"no unit has points enough" in project.write(tmp_path)["index.html"]
