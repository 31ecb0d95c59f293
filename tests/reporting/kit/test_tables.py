"""Tables: rounding, intervals, and names that LaTeX and CSV would misread."""

import csv
import io

import pytest

from tickle_core.reporting.kit import tables
from tickle_core.reporting.kit.tables import Column, Table

COLUMNS = (
    Column("name", "Name"),
    Column("share", "Share > 0", 3, interval=True),
    Column("n", "n", 0),
)


def make_table(*rows):
    return Table(COLUMNS, list(rows))


def read_csv(table, folder):
    tables.write(table, folder, "table")
    return list(csv.DictReader(io.StringIO((folder / "table.csv").read_text())))


def test_a_number_and_its_interval_are_rounded_alike(tmp_path):
    row = {"name": "a", "share": {"value": 0.12345, "interval": [0.1, 0.2]}, "n": 12345}
    table = make_table(row)
    assert table.texts() == [[("a", ""), ("0.123", "[0.100, 0.200]"), ("12,345", "")]]
    [found] = read_csv(table, tmp_path)
    expected = {"name": "a", "share": "0.123", "share_low": "0.100", "share_high": "0.200"}
    assert found == {**expected, "n": "12345"}


def test_a_value_that_is_null_or_missing_stays_empty(tmp_path):
    table = make_table({"name": "a", "share": {"value": None, "interval": None, "n": 0}})
    assert table.texts() == [[("a", ""), ("–", ""), ("–", "")]]
    [found] = read_csv(table, tmp_path)
    assert found == {"name": "a", "share": "", "share_low": "", "share_high": "", "n": ""}
    assert "a & -- & --" in tables.latex(table)


def test_what_rounds_to_zero_has_no_sign(tmp_path):
    table = make_table({"name": "a", "share": {"value": -0.0001, "interval": [-0.6, -0.0]}})
    assert table.texts()[0][1] == ("0.000", "[\N{MINUS SIGN}0.600, 0.000]")
    [found] = read_csv(table, tmp_path)
    assert (found["share"], found["share_low"], found["share_high"]) == ("0.000", "-0.600", "0.000")


@pytest.mark.parametrize(
    ("letter", "escaped"),
    [
        ("&", r"\&"),
        ("%", r"\%"),
        ("_", r"\_"),
        ("#", r"\#"),
        ("$", r"\$"),
        ("{", r"\{"),
        ("}", r"\}"),
        ("~", r"\textasciitilde{}"),
        ("^", r"\textasciicircum{}"),
        ("\\", r"\textbackslash{}"),
        ("<", r"\textless{}"),
        ("plain", "plain"),
    ],
)
def test_latex_prints_every_letter(letter, escaped):
    assert tables.escape_latex(f"a{letter}b") == f"a{escaped}b"


def test_latex_rows_have_as_many_cells_as_columns():
    row = {"name": "a & b", "share": {"value": -0.5, "interval": [-1, 0.0]}, "n": 3}
    lines = tables.latex(make_table(row)).splitlines()
    assert lines[1] == r"\begin{tabular}{lrr}"
    assert lines[3] == r"Name & Share \textgreater{} 0 & n \\"
    assert lines[5] == r"a \& b & $-$0.500 [$-$1, 0.000] & 3 \\"


def test_a_row_that_starts_with_a_bracket_is_no_option_of_the_row_before():
    assert "{}[x]" in tables.latex(make_table({"name": "[x]"}))
