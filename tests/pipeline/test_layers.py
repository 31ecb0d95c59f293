"""Layers come and go, and take what was made of them along."""

import pytest

from tests.pipeline.test_rebuilding import CHECK

pytestmark = pytest.mark.pipeline


def test_a_layer_is_added_and_dropped(project):
    """What reads all layers runs again for any change of them; here, what is of one layer."""
    before = project.outputs()
    elsewhere = {path: it for path, it in before.items() if not path.startswith("data/untrained/")}
    project.edit_params(lambda values: values["layers"].update(shallow="layer1"))
    own = {"extract@shallow", "sae@shallow", "dimension@shallow"}
    needed = {"untrained", "neighbours@shallow"}
    assert project.repro(*sorted(own)) == CHECK | own | needed
    assert elsewhere.items() <= project.outputs().items()

    project.edit_params(lambda values: values["layers"].pop("shallow"))
    left = [path for path in project.outputs() if "shallow" in path]
    assert any(path.startswith("data/sae/shallow/") for path in left)  # DVC leaves them
    told = project.dvc(module="tickle_core.leftovers")
    assert "no stage sae@shallow: removing data/sae/shallow, reports/metrics/sae" in told
    assert project.dvc(module="tickle_core.leftovers") == ""
    # These params were checked before, and the untrained network had these layers.
    assert project.repro() == set()
    assert project.outputs() == before
    assert "shallow" not in project.lock
