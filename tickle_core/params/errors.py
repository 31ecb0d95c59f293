"""What pydantic finds wrong with params.yaml, in words for people."""

import difflib
import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

# Blocks that are one of several kinds, told apart by their `source`.
UNIONS = ("dataset", "model")


def explain(problem: Mapping[str, Any], schema: type[BaseModel]) -> str:
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
    if kind == "string_pattern_mismatch" or (kind == "string_type" and "[key]" in problem["loc"]):
        return (
            f"{where!r} is no plain word: an alias is lower-case letters, digits and underscores, "
            "and starts with a letter"
        )
    if kind == "value_error":
        message = problem["msg"].removeprefix("Value error, ")
        return f"{where}: {message}" if where else message
    got = "" if isinstance(problem["input"], dict) else f", got {problem['input']!r}"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{where}: {message}{got}{_meaning(problem['loc'], schema)}"


def hint(name: str, valid: list[str]) -> str:
    """The valid name that is nearest to another one, or all of them."""
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"valid here: {', '.join(valid)}"


def _valid_names(place: tuple[Any, ...], schema: type[BaseModel]) -> list[str]:
    """The keys that the schema knows at a place."""
    return list(_type_at(place, schema).model_fields)


def _meaning(place: tuple[Any, ...], schema: type[BaseModel]) -> str:
    """What the field at a place is, or the field that the place lies in, in brackets."""
    for end in range(len(place), 0, -1):
        block = _type_at(place[: end - 1], schema)
        field = getattr(block, "model_fields", {}).get(place[end - 1])
        if field is not None and field.description:
            return f" ({_within_a_line(field.description)})"
    return ""


def _within_a_line(sentence: str) -> str:
    """A sentence without its capital, unless that is one of a name (PCA, L2), and its full stop."""
    first, *_ = sentence.split()
    if first == "A" or first[1:].islower():
        sentence = sentence[0].lower() + sentence[1:]
    return sentence.removesuffix(".")


def _type_at(place: tuple[Any, ...], schema: type[BaseModel]) -> Any:
    """The type of what stands at a place; None inside of a value that is no block."""
    found: Any = schema
    for part in place:
        choices = get_args(found)
        if get_origin(found) is dict:
            found = choices[1]
            continue
        members = {
            get_args(each.model_fields["source"].annotation)[0]: each
            for each in choices
            if hasattr(each, "model_fields")
        }
        if part in members:
            found = members[part]
        elif part in getattr(found, "model_fields", {}):
            found = _without_none(found.model_fields[part].annotation)
        else:
            return None
    return found


def _without_none(annotation: Any) -> Any:
    """The type of a field that may be left out."""
    choices = [each for each in get_args(annotation) if each is not type(None)]
    return choices[0] if len(choices) == 1 and get_origin(annotation) is not dict else annotation
