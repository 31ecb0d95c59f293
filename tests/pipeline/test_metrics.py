"""Every number that a run publishes has an n, an interval and a null, or says why not."""

import json

import pytest

from tests import contract
from tests.contract import EXCEPTIONS, MOST_LINES, faults, metrics_of
from tickle_core.params import reading
from tickle_core.reporting import headlines

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def files(finished):
    found = metrics_of(finished.path / "reports/metrics")
    assert found
    return found


@pytest.fixture(scope="module")
def headline(finished):
    layer = reading.load(finished.path / "params.yaml").report.headline_layer
    found = headlines.read(finished.path / "reports/metrics", layer)
    return {headline.key: number for headline, number in found.items()}


def test_every_number_keeps_the_contract(files):
    for name, file in files.items():
        assert faults(json.loads(file.read_text()), name) == []


def test_a_file_can_be_read_by_people(files):
    for file in files.values():
        assert len(file.read_text().splitlines()) <= MOST_LINES


def test_every_headline_number_keeps_the_contract(headline):
    for name, found in headline.items():
        # On the page a reason is worth more than an entry in a list that nobody sees there.
        assert list(contract._walk(found, name, in_null=False)) == []


def test_the_summary_has_the_headline_values_and_nothing_else(finished, headline):
    flat = json.loads((finished.path / "reports/metrics/summary.json").read_text())
    rounded = {name: found["value"] for name, found in headline.items()}
    assert flat == rounded


def test_no_exception_is_idle(files):
    used = set()
    for name, file in files.items():
        for fault in contract._walk(json.loads(file.read_text()), name, in_null=False):
            used |= {(fault.rule, pattern) for pattern in contract.excuses(fault)}
    assert used == {(rule, pattern) for rule, some in EXCEPTIONS.items() for pattern in some}
