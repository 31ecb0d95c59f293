"""Numbers of a run on other images than the default's."""

import json
from fnmatch import fnmatchcase

import pytest
from contract import LONG, MOST_LINES, faults, metrics_of

pytestmark = pytest.mark.pipeline


def test_numbers_of_few_images_keep_the_contract(finished):
    files = metrics_of(finished.path / "reports/metrics")
    assert files
    for name, file in files.items():
        text = file.read_text()
        assert faults(json.loads(text), name) == []
        assert fnmatchcase(name, LONG) or len(text.splitlines()) <= MOST_LINES
