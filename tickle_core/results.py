"""Metrics files: JSON that is the same bytes for the same content."""

import json
from pathlib import Path
from typing import Any

LINE = 180  # an estimate with its interval and its null
INDENT = 2


def write_json(path: Path, content: Any) -> None:
    """Write sorted, rounded JSON: what fits on a line stands on one, so that lines can be compared.

    Reals keep six significant digits: more than any of them deserves, and few enough that a
    last-bit difference between two machines does not show.

    Raises
    ------
    ValueError
        If a number is infinite or not a number: JSON has no word for it, nor has a table.
    """
    text = _text(_rounded(content), 0, 0)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def _text(content: Any, depth: int, before: int) -> str:
    """JSON that starts `before` characters into a line."""
    line = json.dumps(content, sort_keys=True, allow_nan=False)
    if not isinstance(content, dict | list) or depth + before + len(line) < LINE:
        return line
    inner = depth + INDENT
    if isinstance(content, dict):
        named = [(f"{json.dumps(key)}: ", content[key]) for key in sorted(content)]
    else:
        named = [("", each) for each in content]
    parts = [f"{' ' * inner}{name}{_text(each, inner, len(name) + 1)}" for name, each in named]
    opening, closing = "{}" if isinstance(content, dict) else "[]"
    return "\n".join([opening, ",\n".join(parts), f"{' ' * depth}{closing}"])


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return float(f"{content:.6g}") if isinstance(content, float) else content
