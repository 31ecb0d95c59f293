"""The default's values, to be changed."""

from pathlib import Path

import pytest

from tickle_core.params import reading

ROOT = Path(__file__).parents[2]


@pytest.fixture
def values():
    return reading.read(ROOT / "params.yaml")
