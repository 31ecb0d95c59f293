"""Tables: one description, written as CSV and LaTeX, shown on the page; and numbers in words.

A number may be an estimate as metrics have it: `value`, `interval` and, where either is None or
there is no null, `why`. What draws of a null came to has a `range` in place of an interval. Where
`at_least` is true, the number is a lower bound.
"""

import csv
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
AT_LEAST = "\N{GREATER-THAN OR EQUAL TO}\N{THIN SPACE}"
LINEAR_TAIL = (
    "Behind layers with a linear tail the network is linear: every screen is exact there and "
    "effects add up, whatever the network has learned."
)

LATEX_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        MINUS: "$-$",
        NOTHING: "--",
        "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
        "\N{THIN SPACE}": r"\,",
        "\n": " ",
    }
)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    key
        Of the cell in each row; names the column in the CSV file.
    title
        Names it for people.
    digits
        After the decimal point, of numbers. None where the column holds text.
    interval
        Whether numbers are estimates, whose ends the CSV file has columns for.
    """

    key: str
    title: str
    digits: int | None = None
    interval: bool = False


@dataclass(frozen=True)
class Table:
    """Columns, and rows as dicts by column key. A cell that is missing or None stays empty.

    Whole numbers are counts and are written in full. Where rows differ in kind, a row may set
    `digits` for its own real numbers. `notes` are sentences that end the caption on the page.
    """

    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]
    notes: tuple[str, ...] = ()

    def texts(self) -> list[list[tuple[str, str]]]:
        """For each row, each cell as people read it: the number or text, and what stands below.

        That is the interval, the range, or why there is none.
        """
        return [[_cell(row, column) for column in self.columns] for row in self.rows]


def flag_linear_tails(table: Table, aliases: Collection[str]) -> Table:
    """The same table, saying of each row whether the tail behind its `layer` is linear.

    Parameters
    ----------
    aliases
        Layers with a linear tail: `Findings.linear_tails`.
    """
    place = 1 + [column.key for column in table.columns].index("layer")
    flag = Column("linear_tail", "Linear tail")
    rows = [{**row, flag.key: "yes" if row["layer"] in aliases else "no"} for row in table.rows]
    flagged = any(row["layer"] in aliases for row in rows)
    return replace(
        table,
        columns=(*table.columns[:place], flag, *table.columns[place:]),
        rows=rows,
        notes=(*table.notes, *([LINEAR_TAIL] if flagged else [])),
    )


def known(value: Any) -> float | None:
    """A number of a data frame, which has NaN where there is none."""
    return None if value is None or math.isnan(value) else float(value)


def estimate_of(row: Any, name: str = "value", why: str = "too few images") -> dict[str, Any]:
    """An estimate out of a row of a table: `value`, `low`, `high`, or by another name.

    Where it is not called value, its ends are `<name>_low` and `<name>_high`.
    """
    ends = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    value, low, high = (known(getattr(row, key)) for key in (name, *ends))
    if low is None or high is None:
        return {"value": value, "interval": None, "why": why}
    return {"value": value, "interval": [low, high]}


def number(value: float | None, digits: int = 0) -> str:
    """A real number with a fixed number of digits, or a whole number in full.

    What rounds to zero has no sign.
    """
    if value is None:
        return NOTHING
    digits = 0 if isinstance(value, int) else digits
    return f"{value:z,.{digits}f}".replace("-", MINUS)


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent."""
    if share is None:
        return NOTHING
    return f"{number(100 * share, digits)}\N{NARROW NO-BREAK SPACE}%"


def estimate(found: Any, digits: int = 0) -> str:
    """A number with its interval or range, or why it has none: for sentences."""
    return _phrase(found, lambda value: number(value, digits))


def share(found: Any, digits: int = 1) -> str:
    """The same for a share, in percent."""
    return _phrase(found, lambda value: percent(value, digits))


def null_of(found: dict[str, Any]) -> Any:
    """The null of an estimate: a number, an estimate or draws; or no value, and why."""
    if found.get("null") is not None:
        return found["null"]
    return {"value": None, "why": found["why"]} if "why" in found else None


def write(table: Table, folder: Path, name: str) -> None:
    """Write `<name>.csv` and `<name>.tex`."""
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(_csv_rows(table))
    (folder / f"{name}.tex").write_text(latex(table), encoding="utf-8", newline="\n")


def latex(table: Table) -> str:
    """The table as a `tabular` with the rules of the package booktabs."""
    alignment = "".join("l" if column.digits is None else "r" for column in table.columns)
    header = [escape_latex(column.title) for column in table.columns]
    body = [
        [escape_latex(f"{text} {interval}".rstrip()) for text, interval in row]
        for row in table.texts()
    ]
    lines = [
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{{alignment}}}",
        "\\toprule",
        " & ".join(header) + r" \\",
        "\\midrule",
        *(" & ".join(_guarded(row)) + r" \\" for row in body),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    """Text as LaTeX prints it letter by letter."""
    return text.translate(LATEX_ESCAPES)


def _guarded(row: list[str]) -> list[str]:
    # After \\ or a rule, LaTeX would take an opening bracket for an option.
    return [f"{{}}{row[0]}" if row[0].startswith("[") else row[0], *row[1:]]


def _cell(row: dict[str, Any], column: Column) -> tuple[str, str]:
    found = row.get(column.key)
    if isinstance(found, str):
        return found, ""
    digits = row.get("digits", column.digits) or 0
    return _texts(found, lambda value: number(value, digits))


def _phrase(found: Any, write: Callable[[Any], str]) -> str:
    text, below = _texts(found, write)
    if not below or below[0] in "[(":
        return f"{text} {below}".rstrip()
    return f"{'none' if text == NOTHING else text} ({below})"


def _texts(found: Any, write: Callable[[Any], str]) -> tuple[str, str]:
    """A number and what it may have been, as people read them."""
    value, ends, why = _parts(found)
    bound = AT_LEAST if isinstance(found, dict) and found.get("at_least") else ""
    if value is None or ends is None:
        return bound + write(value), why
    low, high = (write(end) for end in ends)
    return bound + write(value), f"[{low}, {high}]" if found.get(
        "interval"
    ) else f"({low} to {high})"


def _parts(found: Any) -> tuple[Any, Any, str]:
    """Value, ends of its interval or range, and why either is missing."""
    if not isinstance(found, dict):
        return found, None, ""
    return found["value"], found.get("interval") or found.get("range"), found.get("why", "")


def _csv_rows(table: Table) -> list[list[str]]:
    explained = {
        column.key
        for column in table.columns
        if any(_reason(row.get(column.key)) for row in table.rows)
    }
    header = []
    for column in table.columns:
        ends = [f"{column.key}_low", f"{column.key}_high"] if column.interval else []
        header += [column.key, *ends, *([f"{column.key}_why"] if column.key in explained else [])]
    return [header, *(_csv_row(table, row, explained) for row in table.rows)]


def _csv_row(table: Table, row: dict[str, Any], explained: Collection[str]) -> list[str]:
    cells = []
    for column in table.columns:
        value, ends, _ = _parts(row.get(column.key))
        ends = (ends or (None, None)) if column.interval else ()
        digits = row.get("digits", column.digits)
        cells += [_csv_text(part, digits) for part in (value, *ends)]
        if column.key in explained:
            cells.append(_reason(row.get(column.key)))
    return cells


def _reason(found: Any) -> str:
    """Why a number or its interval is missing; an estimate may say so of its null alone."""
    value, ends, why = _parts(found)
    return why if value is None or ends is None else ""


def _csv_text(value: Any, digits: int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, str | int) else f"{value:z.{digits}f}"
