"""A CSV or Parquet file as columns of cells: encoding, delimiter, what stands before the header. Not their meaning."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from ..errors import ConfigError

# Lines before the header: Ignition's #NAMES, #TYPES, #ROWS; InfluxDB's annotations; Proficy's section; Excel's sep=.
PREAMBLE = re.compile(r'"?(#(names|types|rows|group|datatype|default)|\[|sep=)', re.IGNORECASE)
ANNOTATIONS = ("#group", "#datatype", "#default")
SECTION = re.compile(r"\[[^\]]*\]")

PARQUET = (".parquet", ".pq")

Row = tuple[int, list[str]]  # the line of the file that it begins in, and its cells


@dataclass(frozen=True, eq=False)
class Column:
    """Cells below one name, stripped, each with the line of the file that it stands in."""

    file: str
    name: str
    lines: Sequence[int]
    cells: Sequence[str]

    def only(self, rows: Sequence[int]) -> Column:
        return replace(self, lines=[self.lines[i] for i in rows], cells=[self.cells[i] for i in rows])

    def refusal(self, row: int, why: str) -> ConfigError:
        return ConfigError(f'line {self.lines[row]} of {self.file}: "{shown(self.cells[row])}" in {self.name} {why}')


def shown(cell: str) -> str:
    return cell if len(cell) <= 60 else f"{cell[:60]}…"


def read_columns(file: Path) -> tuple[list[Column], str]:
    """Columns of the file in its order, and the delimiter.

    Raises
    ------
    ConfigError
        The file is no table: says which line and why.
    """
    if file.suffix.lower() in PARQUET:
        return _parquet(file), ","
    text = _text(file)
    delimiter = _delimiter(file, text)
    (_, header), *body = _without_preamble(file, _rows(file, text, delimiter))
    names = [name.strip() for name in header]
    # Two files put one after the other, or two tables of InfluxDB's, have the header twice.
    body = [(line, row) for line, row in body if row != header]
    for line, row in body:
        if len(row) != len(names):
            raise ConfigError(
                f"line {line} of {file.name} has {len(row)} cells, its header {len(names)}: mend the line"
            )
    lines = [line for line, _ in body]
    cells = zip(*(row for _, row in body), strict=True) if body else [()] * len(names)
    columns = [
        Column(file.name, name, lines, [c.strip() for c in each]) for name, each in zip(names, cells, strict=True)
    ]
    for i, column in enumerate(columns):
        if column.name and column.name in names[:i]:
            raise ConfigError(f'{file.name} has two columns "{column.name}": rename one')
        if not column.name and any(column.cells):
            raise ConfigError(f"column {i + 1} of {file.name} has no name in the header: name it, or remove it")
    return [column for column in columns if column.name], delimiter


def _parquet(file: Path) -> list[Column]:
    """Columns of a Parquet file, cells written as a CSV file would have them; a line is a row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"cannot read {file}: {str(error).splitlines()[0]}") from None
    columns = []
    for name, values in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("ms", values.type.tz), safe=False)
        cells = ["" if value is None else _written(value) for value in values.to_pylist()]
        columns.append(Column(file.name, name, range(1, len(cells) + 1), cells))
    return columns


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat(" ") if isinstance(value, datetime) else str(value).strip()


def _text(file: Path) -> str:
    try:
        written = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    try:
        text = written.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = written.decode("cp1252", errors="replace")  # what spreadsheets write where UTF-8 is not the rule
    if "\0" in text:
        raise ConfigError(f"{file.name} holds NUL characters: it is not a CSV file in UTF-8")
    return text


def _delimiter(file: Path, text: str) -> str:
    if told := re.match(r'"?sep=([,;\t|])', text, re.IGNORECASE):
        return told[1]
    lines = (line for line in io.StringIO(text, newline="") if line.strip() and not PREAMBLE.match(line))
    head = list(islice(lines, 2))
    widths = {d: [_width(line, d) for line in head] for d in ",;\t|"}
    fitting = {d: w[0] for d, w in widths.items() if w and w[0] > 1 and len(set(w)) == 1}
    best = fitting or {d: w[0] for d, w in widths.items() if w and w[0] > 1}
    if not best:
        raise ConfigError(
            f"{file.name} has no two columns separated by comma, semicolon, tab or bar: it needs a time and a value"
        )
    return max(best, key=lambda d: best[d])


def _width(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter)))
    except csv.Error:  # a cell beyond the limit: _rows says where
        return line.count(delimiter) + 1


def _rows(file: Path, text: str, delimiter: str) -> Iterator[Row]:
    # Strict: a quotation mark that is never closed would swallow every line after it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(
            f"line {line} of {file.name} cannot be cut into cells ({error}): mend it; is a quotation mark missing?"
        ) from None


def _without_preamble(file: Path, every: Iterator[Row]) -> list[Row]:
    """Header and readings; what stands before them is checked where it says something about them."""
    rows = [(line, row) for line, row in every if row[0].strip().lower() not in ANNOTATIONS]
    for line, row in rows:
        mark = row[0].strip()
        alone = SECTION.fullmatch(mark) and not any(cell.strip() for cell in row[1:])
        if alone and (mark.lower() != "[data]" or line != rows[0][0]):
            raise ConfigError(f"line {line} of {file.name} begins section {mark}: leave only [Data] in the file")
    while rows and (SECTION.fullmatch(rows[0][1][0].strip()) or rows[0][1][0].strip().lower().startswith("sep=")):
        rows.pop(0)
    if rows and rows[0][1][0].strip() == "#NAMES":
        marks = [row[0].strip() for _, row in rows[2:5]]
        if len(marks) < 3 or (marks[0], marks[2]) != ("#TYPES", "#ROWS"):
            raise ConfigError(f"{file.name} begins with #NAMES, but #TYPES and #ROWS do not follow: export it again")
        count = "".join(rows[4][1][1:]).strip()
        rows = [rows[1], *rows[5:]]
        if count != str(len(rows) - 1):
            raise ConfigError(
                f'{file.name} says #ROWS "{count}" and has {len(rows) - 1} lines of readings: was it cut off?'
            )
    if not rows:
        raise ConfigError(f"{file.name} has no header: it needs a line that names its columns")
    return rows
