"""Where an unfinished training lives: what decides the result decides the folder."""

import numpy as np
import pytest
import torch

from tickle_core.dictionaries import checkpoint


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FOLDER", tmp_path / "scratch")


def test_other_inputs_or_activations_have_another_folder(store_of):
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((40, 4, 8)).astype(np.float32)
    store = store_of(tokens)
    first = checkpoint.folder(store, ["seed 0"])
    assert first.is_dir()
    assert checkpoint.folder(store, ["seed 0"]) == first
    assert checkpoint.folder(store, ["seed 1"]) != first
    tokens[-1, -1, -1] += 0.5
    assert checkpoint.folder(store_of(tokens, name="b"), ["seed 0"]) != first


def test_what_was_saved_comes_back(tmp_path):
    assert checkpoint.load(tmp_path) is None
    for number in (1, 2):
        checkpoint.save(tmp_path, {"steps": number, "weights": torch.arange(number)})
    saved = checkpoint.load(tmp_path)
    assert saved["steps"] == 2
    assert torch.equal(saved["weights"], torch.arange(2))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [checkpoint.FILE]
