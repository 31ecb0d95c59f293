"""Layers come and go, and take what was made of them along."""

import pytest

from tests.pipeline.test_rebuilding import ANALYSES, CHECK, GATHERED, WHOLE, per_layer

pytestmark = pytest.mark.pipeline


def test_a_layer_is_added_and_dropped(project):
    project.edit_params(lambda values: values["layers"].update(shallow="layer1"))
    ran = project.repro()
    of_layer = per_layer("extract", *ANALYSES, layers={"shallow"})
    assert ran == CHECK | WHOLE | of_layer | GATHERED
    page = (project.path / "reports/index.html").read_text()
    assert "shallow" in page

    project.edit_params(lambda values: values["layers"].pop("shallow"))
    # These params were checked before, and the untrained network had these layers.
    across = {"flow", "attribution"} | GATHERED
    assert project.repro() == across
    assert "shallow" not in (project.path / "reports/index.html").read_text()
    left = [path for path in project.outputs() if "shallow" in path]
    assert any(path.startswith("data/sae/shallow/") for path in left)  # DVC leaves them

    told = project.dvc(module="tickle_core.leftovers")
    assert "no stage sae@shallow: removing data/sae/shallow, reports/metrics/sae" in told
    assert [path for path in project.outputs() if "shallow" in path] == []
    assert "shallow" not in project.lock
    assert project.dvc(module="tickle_core.leftovers") == ""
    assert project.repro() <= across
