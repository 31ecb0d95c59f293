"""The section on the atlas: cells in their places, crops of patches, pictures."""

import pytest

from tickle_core.reporting.atlas import section


def test_cells_are_in_the_order_of_the_grid_with_patches_and_pictures(make_project, tmp_path):
    project = make_project()
    made = section.section(project.read())
    cells = made.facts["cells"]["late"]
    assert [(cell.row, cell.column) for cell in cells] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert made.facts["columns"]["late"] == 3
    assert all(cell.picture in made.pictures for cell in cells)
    assert {patch.image_id for cell in cells for patch in cell.patches} == set(made.image_ids)
    html = project.write(tmp_path)["index.html"].decode()
    assert html.count('class="cell"') == 10
    assert 'id="picture-atlas-late-4"' in html


def test_without_pictures_patches_stand_alone(make_project, tmp_path):
    project = make_project(atlas={"pictures": False})
    assert section.section(project.read()).pictures == {}
    assert "picture-atlas" not in project.write(tmp_path)["index.html"].decode()


def test_the_headline_has_shuffled_classes_as_its_null(make_project):
    found = make_project().headlines()["atlas_purity"]
    assert (found["value"], found["null"]["value"]) == (0.6, 0.3)
    assert "untrained" not in found


LAYER = {"prefix": ["class"], "grid": [7, 7]}


@pytest.mark.parametrize(
    ("position", "expected"),
    [(1, (0, 0, 12, 12)), (49, (16, 16, 12, 12)), (1 + 24, (8, 8, 12, 12)), (0, (0, 0, 28, 28))],
)
def test_a_patch_is_shown_with_what_is_around_it_inside_the_image(position, expected):
    assert section.box(position, LAYER, (28, 28)) == pytest.approx(expected)


def test_without_a_grid_the_whole_image_is_shown():
    assert section.box(3, {"prefix": [], "grid": None}, (20, 30)) == (0, 0, 30, 20)
