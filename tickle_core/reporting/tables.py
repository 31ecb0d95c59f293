"""Tables: one description, written as CSV and LaTeX, shown on the page."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"

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
        Whether numbers come as `{"value": ..., "interval": [low, high]}`.
    """

    key: str
    title: str
    digits: int | None = None
    interval: bool = False


@dataclass(frozen=True)
class Table:
    """Columns, and rows as dicts by column key. A cell that is missing or None stays empty.

    Whole numbers are counts and are written in full. Where rows differ in kind, a row may set
    `digits` for its own real numbers.
    """

    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]

    def texts(self) -> list[list[tuple[str, str]]]:
        """For each row, each cell as people read it: the number or text, and its interval."""
        return [[_cell(row, column) for column in self.columns] for row in self.rows]


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
    value, interval = _parts(row, column)
    if isinstance(value, str):
        return value, ""
    digits = row.get("digits", column.digits)
    if interval is None:
        return number(value, digits), ""
    low, high = (number(end, digits) for end in interval)
    return number(value, digits), f"[{low}, {high}]"


def _parts(row: dict[str, Any], column: Column) -> tuple[Any, Any]:
    cell = row.get(column.key)
    return (cell["value"], cell.get("interval")) if isinstance(cell, dict) else (cell, None)


def _csv_rows(table: Table) -> list[list[str]]:
    header = []
    for column in table.columns:
        ends = [f"{column.key}_low", f"{column.key}_high"] if column.interval else []
        header += [column.key, *ends]
    return [header, *(_csv_row(table, row) for row in table.rows)]


def _csv_row(table: Table, row: dict[str, Any]) -> list[str]:
    cells = []
    for column in table.columns:
        value, interval = _parts(row, column)
        ends = (interval or (None, None)) if column.interval else ()
        digits = row.get("digits", column.digits)
        cells += [_csv_text(part, digits) for part in (value, *ends)]
    return cells


def _csv_text(value: Any, digits: int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, str | int) else f"{value:z.{digits}f}"
