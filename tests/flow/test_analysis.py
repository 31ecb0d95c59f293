"""Concepts through the layers: scores that are known, and what holds from where on."""

import numpy as np
import pandas as pd
import pytest

from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.flow import analysis

D = 3


def make_layer(path, pooled, p_readable=1e-6, p_causal=0.9, significant=False, accuracy=0.9):
    count = len(pooled)
    tokens = np.repeat(pooled[:, None], 2, axis=1).astype(np.float32)
    layout = writer.Layout(2, D, 2, [], None, "float32", count)
    ids = np.arange(count)
    writer.create_store(path, layout, ids, ids % 2, ids >= count // 2)
    logits = np.zeros((count, 2), np.float32)
    writer.StoreWriter(path).add(0, tokens.mean(1), logits, tokens)
    readable = {
        "value": accuracy,
        "interval": [accuracy - 0.05, accuracy + 0.05],
        "null": {"value": 0.5},
        "p": p_readable,
        "untrained": {"value": 0.7, "interval": [0.65, 0.75]},
    }
    effect = {"value": 0.4, "interval": None, "null": {"range": [-0.1, 0.1]}, "p": p_causal}
    tcav = pd.DataFrame(
        {
            "concept": "c",
            "target": ["inside", "outside"],
            "member": [True, False],
            "p": 0.5,
            "significant": [True, significant],
            "along": [0.5, 0.3],
            "along_null_low": -0.1,
            "along_null_high": 0.2,
            "consistency": [1.0, 0.8],
            "consistency_null": 0.6,
        }
    )
    vectors = pd.DataFrame({"concept": ["c"], "offset": 1.0, "scale": 2.0})
    vectors["pooled"] = [np.eye(D)[0]]
    return analysis.Layer(
        open_store(path), {"sets": {"c": {"readable": readable, "effect": effect}}}, vectors, tcav
    )


@pytest.fixture
def acts():
    return np.random.default_rng(0).normal(size=(120, D)) + 1


def run(layers, groups=None, examples=(60, 61)):
    groups = groups or {"even": np.arange(60, 120, 2), "few": np.arange(60, 65)}
    return analysis.analyse(layers, groups, np.array(examples), 0)


def test_scores_are_distances_along_the_vector_in_its_own_units(tmp_path, acts):
    found = run({"one": make_layer(tmp_path / "a.zarr", acts)})
    expected = (acts[:, 0] - 1) / 2
    images = found.tables["images"]
    assert images["value"].tolist() == pytest.approx(expected[[60, 61]].tolist(), abs=1e-6)
    [group] = found.tables["groups"].to_dict("records")  # the other has too few images
    assert group["group"] == "even" and group["n"] == 30
    assert group["value"] == pytest.approx(expected[60:120:2].mean(), abs=1e-6)
    assert group["low"] < group["value"] < group["high"]


def test_what_holds_from_which_layer_on(tmp_path, acts):
    layers = {
        "one": make_layer(tmp_path / "a.zarr", acts, p_readable=0.4, accuracy=0.6),
        "two": make_layer(tmp_path / "b.zarr", acts, significant=True, accuracy=0.78),
        "three": make_layer(tmp_path / "c.zarr", acts, p_causal=1e-5),
    }
    found = run(layers)
    assert found.metrics["first"]["c"] == {
        "readable": "two",
        "learnt": "three",
        "tcav": "two",
        "causal": "three",
    }
    table = found.tables["layers"].set_index("layer")
    # Holm's, over three layers.
    assert table.at["three", "p_causal"] == pytest.approx(3e-5)
    # The class that is part of the concept does not count.
    assert table["targets"].tolist() == [1, 1, 1]
    assert table["significant"].tolist() == [0, 1, 0]
    assert table["localised"].tolist() == [1, 1, 1]


def test_nothing_holds_where_nothing_does(tmp_path, acts):
    layer = make_layer(tmp_path / "a.zarr", acts, p_readable=1.0, accuracy=0.5)
    first = run({"one": layer}).metrics["first"]["c"]
    assert first == dict.fromkeys(("readable", "learnt", "tcav", "causal"))
