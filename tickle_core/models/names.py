"""Helping someone who typed a name that does not exist."""

import difflib
from collections.abc import Sequence

SUGGESTIONS = 4


def suggest(name: str, valid: Sequence[str]) -> str:
    """The names closest to one that is not valid, in words; all of them if they are few."""
    if len(valid) <= SUGGESTIONS:
        return f"it has {', '.join(valid)}" if valid else "it has none"
    near = difflib.get_close_matches(name, valid, n=SUGGESTIONS, cutoff=0)
    return f"the nearest of {len(valid)} are {', '.join(near)}"
