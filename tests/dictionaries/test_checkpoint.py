"""An unfinished training on disk."""

import torch

from tickle_core.dictionaries import checkpoint


def test_what_was_saved_comes_back(tmp_path):
    assert checkpoint.load(tmp_path) is None
    for number in (1, 2):
        checkpoint.save(tmp_path, {"steps": number, "weights": torch.arange(number)})
    saved = checkpoint.load(tmp_path)
    assert saved["steps"] == 2
    assert torch.equal(saved["weights"], torch.arange(2))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [checkpoint.FILE]
