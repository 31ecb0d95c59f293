"""What the documents show of Python runs, after a run of the pipeline."""

import re
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.pipeline

ROOT = Path(__file__).parents[2]


def test_the_snippets_run_one_after_the_other(project, monkeypatch):
    monkeypatch.chdir(project.path)
    snippets = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs/using.md").read_text(), re.M | re.S
    )
    assert len(snippets) == 3
    names = {}
    for snippet in snippets:
        exec(compile(snippet, "docs/using.md", "exec"), names)
    assert names["same"].w_dec.shape == names["dictionary"].w_dec.shape
    assert names["drop"].shape == names["logits"].shape
    # New images get what the run gave them.
    scores = names["scores"]
    assert list(scores.columns) == sorted(scores.columns) and len(scores) == 2
    assert names["where"].shape == (2, 16)
    assert names["by_class"].between(0, 1).all()
    table = pd.read_parquet("data/flow/images.parquet")
    table = table[table["layer"] == "late"]
    image = int(table["image_id"].iloc[0])
    again = names["concepts"].score(names["images"].read([image])).iloc[0]
    kept = table[table["image_id"] == image].set_index("concept")["value"]
    assert again[kept.index].to_numpy() == pytest.approx(kept.to_numpy(), abs=0.02)
