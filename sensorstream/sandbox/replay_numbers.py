"""Numbers as people and exports write them: decimal point or comma, with or without marks between thousands.

``1.234`` is two numbers, a thousand times apart. Which one is decided by what else the file writes, else refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from .ignition_values import DATATYPE_FLOAT, DATATYPE_INT, DATATYPE_STRING
from .replay_table import Column, shown

Value = int | float | str

INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
# Marks that stand between thousands and nowhere else: spaces of several widths, apostrophes.
SPACED = re.compile("[+-]?[1-9][0-9]{0,2}(?:([ \u00a0\u2009\u202f'\u2019])[0-9]{3})(?:\\1[0-9]{3})*(?:[.,][0-9]*)?")
SPACES = re.compile("[ \u00a0\u2009\u202f'\u2019]")
TRUTHS = {"true": 1, "false": 0}


def _pattern(decimal: str, grouped: str) -> re.Pattern[str]:
    plain = rf"(?:[0-9]+(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    return re.compile(rf"[+-]?(?:{plain}|{grouped}(?:{decimal}[0-9]*)?)")


# India writes 12,34,567.
NUMBER = {
    ".": _pattern(r"\.", "[1-9][0-9]{0,2}(?:,[0-9]{2,3})*,[0-9]{3}"),
    ",": _pattern(",", r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+"),
}


def is_number(cell: str) -> bool:
    if NUMBER["."].fullmatch(cell) or INFINITY.fullmatch(cell):
        return True
    return any(form.fullmatch(_unspaced(cell)) for form in NUMBER.values())


def decimal_marks(cells: Iterable[str]) -> set[str]:
    """The decimal marks that these numbers cannot do without: ``1.5`` needs the point, ``1.234.567`` the comma."""
    marked = (_unspaced(cell) for cell in cells if "," in cell or "." in cell)
    fitting = ([mark for mark, form in NUMBER.items() if form.fullmatch(cell)] for cell in marked)
    return {marks[0] for marks in fitting if len(marks) == 1}


def typed(column: Column, marks: set[str], delimiter: str) -> tuple[int, Sequence[Value], str | None]:
    """Datatype and values of the cells, all of one type, and what is to be said about how they were read.

    Whole numbers of 64 bits are int (``true`` and ``false`` are 1 and 0), other numbers float, anything else text.
    """
    cells = column.cells
    if all(cell.lower() in TRUTHS for cell in cells):
        return DATATYPE_INT, [TRUTHS[cell.lower()] for cell in cells], None
    word = next((i for i, cell in enumerate(cells) if not is_number(cell)), None)
    if word is not None:
        return DATATYPE_STRING, cells, f'{column.name} (line {column.lines[word]}: "{shown(cells[word])}")'
    literals, remark = _literals(column, marks, delimiter)
    if all(INTEGER.fullmatch(literal) for literal in literals):
        whole = [int(literal) for literal in literals]
        if all(-(1 << 63) <= n < 1 << 63 for n in whole):
            return DATATYPE_INT, whole, remark
    values = [float(literal) for literal in literals]
    for i, (literal, value) in enumerate(zip(literals, values, strict=True)):
        mantissa = literal.lower().partition("e")[0]
        lost = value == 0 and mantissa.strip("+-.0") != ""
        if lost or (math.isinf(value) and not INFINITY.fullmatch(literal)):
            raise column.refusal(i, "is no number that a double holds: mend it, or leave it empty")
    return DATATYPE_FLOAT, values, remark


def _literals(column: Column, marks: set[str], delimiter: str) -> tuple[list[str], str | None]:
    """The numbers as Python writes them."""
    made = []
    remark = None
    seen: dict[bool, str] = {}  # cells that can be read in two ways, by whether their mark was taken as the decimal one
    for i, written in enumerate(column.cells):
        cell = _unspaced(written)
        if "," not in cell and "." not in cell:
            made.append(cell)
            continue
        readings = {
            mark: cell.replace("," if mark == "." else ".", "").replace(mark, ".")
            for mark, form in NUMBER.items()
            if form.fullmatch(cell)
        }
        if len(readings) == 1:
            (literal,) = readings.values()
        elif delimiter == "," and "." in cell and marks <= {"."}:
            literal = readings["."]  # where the comma delimits, nobody doubts a point
        elif len(marks) == 1 and (delimiter != "," or marks == {"."}):
            (mark,) = marks
            literal = readings[mark]
            if other := seen.get(mark not in cell):
                raise column.refusal(
                    i,
                    f'has another mark than "{other}" before it, one would be read wrong: write all alike',
                )
            seen.setdefault(mark in cell, written)
            if literal != cell:
                remark = remark or f'"{written}" in {column.name} (line {column.lines[i]}) is read as {literal}'
        else:
            raise column.refusal(
                i,
                f"can mean {readings['.']} or {readings[',']}, and the rest of the file does not tell which:"
                " write it with a decimal point and no mark between thousands, in a file whose columns commas divide",
            )
        made.append(literal)
    return made, remark


def _unspaced(cell: str) -> str:
    return SPACES.sub("", cell) if SPACED.fullmatch(cell) else cell
