"""A headline number: where it stands in an analysis' metrics, and what it says in words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Headline:
    """One of the headline numbers.

    Attributes
    ----------
    key
        Of summary.json.
    title
        Its name for people.
    meaning
        What the number says.
    null
        What its null is; empty where it has none.
    digits
        After the decimal point.
    find
        Takes it out of the metrics of its stage, of one layer where the stage has several: an
        estimate with interval, n and null where the analysis gives them, or no value, and why.
    """

    key: str
    title: str
    meaning: str
    null: str
    digits: int
    find: Callable[[Any], dict[str, Any]]


def nothing(why: str) -> dict[str, Any]:
    """What stands where there is no number."""
    return {"value": None, "why": why}


def without_null(found: dict[str, Any], why: str) -> dict[str, Any]:
    """An estimate that has no null, for a reason."""
    return found | {"null": None, "why": why}
