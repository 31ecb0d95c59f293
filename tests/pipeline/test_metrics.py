"""Numbers of a run on other images than the default's."""

import json

import pytest
from contract import MOST_LINES, faults, metrics_of

pytestmark = pytest.mark.pipeline


def test_numbers_of_few_images_keep_the_contract(finished):
    files = metrics_of(finished.path / "reports/metrics")
    assert files
    for name, file in files.items():
        text = file.read_text()
        assert faults(json.loads(text), name) == []
        assert len(text.splitlines()) <= MOST_LINES
