"""Values with one change, and that they are refused."""

import copy

import pytest

from tickle_core.errors import TickleError
from tickle_core.params import reading


def changed(values, place, value):
    """A copy of the values with another one at a dotted place."""
    values = copy.deepcopy(values)
    *sections, key = place.split(".")
    target = values
    for section in sections:
        target = target[section]
    target[key] = value
    return values


def assert_refused(values, *parts):
    """In one line, which has these parts."""
    with pytest.raises(TickleError) as caught:
        reading.parse(values)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
