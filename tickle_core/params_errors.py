"""What pydantic finds wrong with params.yaml, in words for people."""

import difflib
import re
from typing import Any, get_args, get_origin

from pydantic import BaseModel

# Sections that are one of several kinds, told apart by their `source`.
UNIONS = ("dataset", "model")


def explain(problem: dict[str, Any], schema: type[BaseModel]) -> str:
    """One finding of pydantic in words: where, what, and the nearest valid name.

    Parameters
    ----------
    problem
        Of `ValidationError.errors()`.
    schema
        What was validated against.
    """
    # Pydantic marks a dict's key by "[key]" and a union's member by its tag: neither is a place
    # that stands in the file.
    place = [part for part in problem["loc"] if part != "[key]"]
    if len(place) > 1 and place[0] in UNIONS:
        del place[1]
    where = ".".join(str(part) for part in place)
    kind = problem["type"]
    if kind == "extra_forbidden":
        valid = _valid_names(problem["loc"][:-1], schema)
        return f"unknown key {where!r}; {hint(str(place[-1]), valid)}"
    if kind == "union_tag_invalid":
        valid = re.findall(r"'([^']*)'", problem["ctx"]["expected_tags"])
        return f"{where}.source is {problem['ctx']['tag']!r}; {hint(problem['ctx']['tag'], valid)}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "string_pattern_mismatch":
        return (
            f"{where!r} is no plain word: an alias is lower-case letters, digits and underscores, "
            "and starts with a letter"
        )
    if kind == "value_error":
        message = problem["msg"].removeprefix("Value error, ")
        return f"{where}: {message}" if where else message
    got = "" if isinstance(problem["input"], dict) else f", got {problem['input']!r}"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{where}: {message}{got}"


def hint(name: str, valid: list[str]) -> str:
    """The valid name that is nearest to another one, or all of them."""
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"valid here: {', '.join(valid)}"


def _valid_names(place: tuple[Any, ...], schema: type[BaseModel]) -> list[str]:
    """The keys that the schema knows at a place."""
    section: Any = schema
    for part in place:
        choices = get_args(section)
        if get_origin(section) is dict:
            section = choices[1]
            continue
        members = {get_args(each.model_fields["source"].annotation)[0]: each for each in choices}
        section = members.get(part) or section.model_fields[part].annotation
    return list(section.model_fields)
