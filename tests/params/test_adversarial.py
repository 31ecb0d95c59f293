"""The blocks `attack`, `delta` and `path`: radii as people write them, and what is refused."""

import pytest

from tests.params.refusals import assert_refused, changed
from tickle_core.params import reading


@pytest.mark.parametrize("eps", ["8/255", 8 / 255, 0.031372549])
def test_radii_are_numbers_or_fractions(values, eps):
    values = changed(values, "attack.linf", [eps])
    values = changed(values, "attack.studied", {"norm": "linf", "eps": eps})
    found = reading.parse(values).attack
    assert found.linf == [8 / 255]


@pytest.mark.parametrize(
    ("place", "value", "parts"),
    [
        ("attack.linf", [0.0314], ["attack.linf", "8 bits cannot express 0.0314", "8/255"]),
        ("attack.linf", [-1 / 255], ["attack.linf"]),
        ("attack.linf", [2], ["attack.linf"]),
        ("attack.linf", ["8/0"], ["attack.linf"]),
        ("attack.linf", ["eight"], ["attack.linf"]),
        ("attack.linf", ["8/255", "8/255"], ["linf names a radius twice"]),
        ("attack.l2", [0.5, 0.50000001], ["l2 names a radius twice"]),
        ("attack.l2", [0.003], ["attack.l2", "one step of one pixel is 1/255"]),
        ("attack.l2", [-0.5], ["attack.l2"]),
        ("attack.l2", [float("inf")], ["attack.l2"]),
        ("attack.studied", {"norm": "linf", "eps": "3/255"}, ["none of those under linf"]),
        ("attack.studied", {"norm": "l1", "eps": 0.5}, ["attack.studied.norm"]),
        ("attack.studied", {"norm": "l2", "eps": 0}, ["attack.studied.eps"]),
        ("attack.step", 0.0, ["attack.step"]),
        ("attack.step", 1.0, ["attack.step"]),
        ("attack.images", 1, ["attack.images"]),
        ("attack.restarts", -1, ["attack.restarts"]),
        ("delta.images", 3, ["delta.images"]),
        ("delta.restored", 0, ["delta.restored"]),
        ("delta.draws", 1, ["delta.draws"]),
        ("path.segments", 4, ["path.segments"]),
        ("path.segments", 12, ["path.segments", "12 is no power of two"]),
        ("path.parts", 8, ["path.parts"]),
        ("path.pairs", 0, ["path.pairs"]),
        ("path.classes", [["Shirt"]], ["path.classes"]),
        ("path.classes", [["Shirt", "Shirt"]], ["path.classes", "itself leads nowhere"]),
    ],
)
def test_what_cannot_work_is_refused(values, place, value, parts):
    assert_refused(changed(values, place, value), *parts)


def test_without_a_norm_nothing_of_it_is_studied(values):
    values = changed(values, "attack.linf", [])
    assert_refused(values, "none of those under linf (empty)")
