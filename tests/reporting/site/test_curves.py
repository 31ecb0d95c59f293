"""The curves of `dvc plots`: what dvc.yaml declares is what the report writes."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
DECLARED = {
    path.removeprefix("reports/"): options
    for entry in YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["plots"]
    for path, options in entry.items()
}


@pytest.fixture(scope="module")
def report(make_project, tmp_path_factory):
    return make_project().write(tmp_path_factory.mktemp("report"))


def test_all_curves_are_declared(report):
    assert {name for name in report if name.startswith("plots/")} == set(DECLARED)


@pytest.mark.parametrize("name", DECLARED)
def test_curves_have_the_columns_that_are_drawn(report, name):
    table = pd.read_csv(io.BytesIO(report[name]))
    x, y = DECLARED[name]["x"], DECLARED[name]["y"]
    assert set(table.columns) == {"layer", "line", x, y}
    # Attribution has a panel per kind of curve.
    panels = ["deletion", "insertion"] if "attribution" in name else ["early", "late"]
    assert list(table["layer"].unique()) == panels
    assert table[[x, y]].notna().all(axis=None)
    if DECLARED[name]["template"] == "by_layer_log":
        assert (table[[x, y]] > 0).all(axis=None)


@pytest.mark.parametrize("name", sorted({each["template"] for each in DECLARED.values()}))
def test_templates_are_there(name):
    text = (ROOT / f".dvc/plots/{name}.json").read_text()
    assert "<DVC_METRIC_DATA>" in text and json.loads(text)["facet"]["column"]["field"] == "layer"
