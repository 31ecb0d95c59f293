"""The section on attribution: who is beaten, what there is no map of."""

import numpy as np

from tickle_core.reporting.attribution.section import section
from tickle_core.reporting.kit import embedding


def test_every_method_has_a_row_and_a_map(make_project, tmp_path):
    project = make_project()
    found = section(project.read())
    methods = [row["method"] for row in found.tables["attribution"].rows]
    assert methods[:2] == ["gradient", "IG from black"]
    assert methods[-1] == "untrained network"
    assert {"layer IG (early)", "Grad-CAM (late)", "IG along real images"} <= set(methods)
    html = project.write(tmp_path)["index.html"].decode()
    assert html.count(">Grad-CAM (late)</span>") == 2


def test_methods_that_are_no_better_than_chance_are_named(make_project):
    project = make_project(attribution={"beaten": ("ig_zero", "cam_late")})
    summary = section(project.read()).summary
    assert "IG from black and Grad-CAM (late) do no better than a random order" in summary
    assert "all do better" in section(make_project().read()).summary


def test_without_chains_and_grids_the_rest_is_shown(make_project, tmp_path):
    project = make_project(layers=("only",), grid=None, attribution={"chains": False})
    html = project.write(tmp_path)["index.html"].decode()
    assert "IG along real images" not in html
    assert "Chains lead" not in html
    assert "Grad-CAM (only)" not in html


def test_the_residual_is_a_headline_number_without_a_null(make_project):
    found = make_project().headlines()["attribution_residual"]
    assert found["value"] == 0.004 and found["null"] is None


def test_a_signed_map_is_warm_and_cold():
    values = np.array([[1.0, -1.0], [0.0, 0.5]])
    uri = embedding.signed_overlay(values)
    assert uri.startswith("data:image/png;base64,")
    assert uri != embedding.signed_overlay(-values)
    assert embedding.signed_overlay(np.zeros((64, 64))).startswith("data:image/png")
