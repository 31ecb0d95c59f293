"""Experiments side by side: `dvc exp show --csv | python -m tickle_core.reporting.comparison`.

DVC's own table drops the columns that a terminal has no room for, and its params come last.
"""

import shutil
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from tickle_core import fingerprint
from tickle_core.params import reading

# DVC's columns that are neither a param nor a number; which experiment it is stands above.
ABOUT = ("Experiment", "rev", "typ", "parent", "Executor")


def compare(shown: TextIO, values: dict[str, Any], stages: Collection[str], width: int) -> str:
    """What `dvc exp show --csv` printed, a line per param and then per metric.

    Parameters
    ----------
    values
        Of params.yaml: by its keys params are told from metrics.
    stages
        Names of stages: under these DVC shows the fingerprints of their code.
    width
        Characters of a line. Experiments that have no room go on below; nothing is left out.
    """
    table = pd.read_csv(shown, dtype=str, keep_default_na=False)
    names = table["Experiment"].where(table["Experiment"] != "", table["rev"])
    other_code = [name for name in table if name in stages]
    lines = [name for name in table if name not in (*ABOUT, *other_code)]
    lines.sort(key=lambda name: name.split(".")[0] not in values)
    note = f"\nThe code differs, too: {', '.join(other_code)}" if other_code else ""
    if not lines:
        return f"No param and no number differs.{note}"
    turned = table[lines].map(_short).set_axis(names).T.rename_axis(columns=None)
    return turned.to_string(line_width=width) + note


def _short(text: str) -> str:
    """Four significant digits of a real number, anything else as it is."""
    try:
        return f"{float(text):.4g}" if "." in text else text
    except ValueError:
        return text


if __name__ == "__main__":
    stages = fingerprint.stage_names(Path())
    try:
        print(compare(sys.stdin, reading.read(), stages, shutil.get_terminal_size().columns))
    except pd.errors.EmptyDataError:  # DVC has said why
        sys.exit(1)
