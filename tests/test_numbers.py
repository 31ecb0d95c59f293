"""What the contract of numbers asks for, and what it finds missing."""

import pytest

from tests import contract
from tests.contract import EXCEPTIONS, faults

GOOD = {"value": 0.5, "interval": [0.4, 0.6], "n": 20, "null": 0.1}
DRAWN = {"value": 0.1, "range": [0.0, 0.2], "draws": 20}


def test_every_exception_has_its_reason_in_words():
    for reasons in EXCEPTIONS.values():
        assert all(len(reason.split()) >= 4 for reason in reasons.values())


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD | {"null": GOOD},
        GOOD | {"null": DRAWN},
        GOOD | {"null": 0},
        GOOD | {"null": None, "why": "nothing to compare with"},
        GOOD | {"null": {key: GOOD[key] for key in ("value", "interval", "n")}},
        GOOD | {"interval": None, "why": "too few: 4 of 20 are not 0"},
        GOOD | {"value": None, "interval": None, "n": 0, "null": None, "why": "no image"},
        GOOD | {"p": 0.03},
        GOOD | {"of": "main", "clusters": 5},
        GOOD | {"value": 0.4},  # at an end
        GOOD | {"value": 3, "interval": [2, 4]},
        DRAWN | {"null": 0.0},
        DRAWN | {"range": [0.1, 0.1], "null": 0.0},  # draws that are all alike
        {"steps": 4, "variant": "topk", "converged": True, "nothing": None, "grid": [4, 4]},
        {"learning_rate": 0.1, "recipe": {"anything": 0.5}},
        [{"label": 0, **GOOD}, {"label": 1, **GOOD}],
    ],
)
def test_what_keeps_the_contract(content):
    assert faults({"a": content}, "stage/layer") == []


@pytest.mark.parametrize(
    ("rule", "content"),
    [
        ("number", 0.5),
        ("number", [0.5]),
        ("number", {"median_auc": 0.5}),
        ("number", GOOD | {"shift": 0.5}),
        ("number", {"null": 0.5}),
        ("number", GOOD | {"null": {"mean": 0.5}}),
        ("number", GOOD | {"curve": [{"components": 1, "fvu": 0.5}]}),
        ("value", {"dimension": 3, "interval": [2, 4]}),
        ("value", GOOD | {"value": "0.5"}),
        ("value", GOOD | {"value": True}),
        ("why", GOOD | {"interval": None}),
        ("why", GOOD | {"null": None}),
        ("why", GOOD | {"value": None, "interval": None}),
        ("why", GOOD | {"interval": None, "why": ""}),
        ("n", {key: GOOD[key] for key in ("value", "interval", "null")}),
        ("n", GOOD | {"n": 0}),
        ("n", GOOD | {"n": 20.5}),
        ("n", GOOD | {"n": True}),
        ("n", DRAWN | {"null": 0.0, "draws": 1}),
        ("n", GOOD | {"null": DRAWN | {"draws": 1}}),
        ("interval", {key: GOOD[key] for key in ("value", "n", "null")}),
        ("interval", GOOD | {"interval": [0.5, 0.5]}),
        ("interval", GOOD | {"interval": [0.6, 0.7]}),
        ("interval", GOOD | {"interval": [0.6, 0.4]}),
        ("interval", GOOD | {"interval": [0.4]}),
        ("interval", GOOD | {"interval": [0.4, None]}),
        ("interval", DRAWN | {"value": 0.3, "null": 0.0}),
        ("interval", GOOD | {"null": GOOD | {"interval": [0.6, 0.7]}}),
        ("null", {key: GOOD[key] for key in ("value", "interval", "n")}),
        ("null", DRAWN),
        ("null", {"deep": [{"inside": {key: GOOD[key] for key in ("value", "interval", "n")}}]}),
    ],
)
def test_what_breaks_the_contract_is_found(rule, content):
    assert [fault.rule for fault in faults({"a": content}, "stage/layer")] == [rule]


def test_an_exception_excuses_its_rule_and_path_alone(monkeypatch):
    monkeypatch.setattr(contract, "EXCEPTIONS", {"null": {"stage/*/a": "it is itself a null"}})
    bare = {key: GOOD[key] for key in ("value", "interval", "n")}
    assert faults({"a": bare}, "stage/layer") == []
    found = faults({"a": bare | {"n": 0}, "b": bare}, "stage/layer")
    assert [(fault.rule, fault.path) for fault in found] == [
        ("n", "stage/layer/a"),
        ("null", "stage/layer/b"),
    ]
