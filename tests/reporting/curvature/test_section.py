"""The section on curvature: corrections beside the untrained network, paths, few images."""

from tickle_core.reporting.curvature import figures, section
from tickle_core.reporting.curvature.found import read
from tickle_core.reporting.kit.style import fixed_style


def test_every_layer_has_both_corrections_beside_the_untrained_network(make_project):
    project = make_project()
    table = section.layer_table(read(project.read()).metrics)
    keys = [column.key for column in table.columns]
    texts = dict(zip(keys, table.texts()[0], strict=True))
    assert texts["by_gaussian"] == ("0.200", "[0.150, 0.250]")
    assert texts["untrained_cube"] == ("0.100", "[0.050, 0.150]")
    assert texts["gaussian"] == ("1.000", "(0.950 to 1.050)")
    assert project.headlines()["curvature_corrected"]["null"]["value"] == 0.1


def test_long_paths_are_shown_without_some_of_their_images(make_project):
    made = section.section(make_project().read())
    most, least = made.facts["strips"]
    assert (most.side, most.steps, len(most.images)) == ("most", 30, section.MOST_STEPS)
    assert (most.images[0][0], most.images[-1][0]) == (1, 59)
    assert len(least.images) == 3
    assert {image for image, _ in most.images} <= set(made.image_ids)


def test_without_large_classes_there_is_no_figure_of_them(make_project, tmp_path):
    project = make_project(curvature={"large_classes": False})
    assert "curvature_classes" not in section.section(project.read()).figures
    assert "Classes of fewer than" not in project.write(tmp_path)["index.html"].decode()


def test_thirty_layers_fit_into_every_figure(make_project):
    found = read(make_project(layers=("one",)).read())

    def thirty(by_layer):
        return {f"layer{n}": by_layer["one"] for n in range(30)}

    with fixed_style():
        for figure in (
            figures.layer_figure(thirty(found.metrics)),
            figures.class_figure(thirty(found.classes), ("cat", "dog")),
            figures.count_figure(thirty(found.by_count)),
        ):
            figure.draw_without_rendering()
