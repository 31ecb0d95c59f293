"""What the documents show of Python runs, after a run of the pipeline."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.pipeline

ROOT = Path(__file__).parents[2]


def test_the_snippets_run_one_after_the_other(project, monkeypatch):
    monkeypatch.chdir(project.path)
    snippets = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs/using.md").read_text(), re.M | re.S
    )
    assert len(snippets) == 2
    names = {}
    for snippet in snippets:
        exec(compile(snippet, "docs/using.md", "exec"), names)
    assert names["same"].w_dec.shape == names["dictionary"].w_dec.shape
    assert names["drop"].shape == names["logits"].shape
