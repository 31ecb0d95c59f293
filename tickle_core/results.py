"""Metrics files: JSON that is the same bytes for the same content."""

import json
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Write sorted, rounded, indented JSON.

    Reals keep six significant digits: more than any of them deserves, and few enough that a
    last-bit difference between two machines does not show.

    Raises
    ------
    ValueError
        If a number is infinite or not a number: JSON has no word for it, nor has a table.
    """
    text = json.dumps(_rounded(content), indent=2, sort_keys=True, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return float(f"{content:.6g}") if isinstance(content, float) else content
