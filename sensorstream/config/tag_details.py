"""Units and descriptions of tags whose historian has none: a CSV file of the site's own."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigError

TOLD = ("unit", "description")


def tag_details(file: str) -> dict[str, dict[str, str]]:
    """``unit`` and ``description``, where there is one, by tag path: columns of a CSV file that has ``tagpath`` too.

    Raises ``ConfigError`` for a file that cannot be read, lacks the columns, or has a tag path twice.
    """
    import csv
    import io

    named = f'"tag_details": {file}'
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{named} does not exist: correct it, or leave the key out") from None
    except UnicodeDecodeError:
        raise ConfigError(f'{named} is not UTF-8: save it as "CSV UTF-8"') from None
    except OSError as error:
        raise ConfigError(f"{named} cannot be read: {error.strerror}") from None
    delimiter = max(",;\t", key=(text.splitlines() or [""])[0].count)
    rows = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=delimiter, restval="", strict=True, skipinitialspace=True
    )
    found: dict[str, dict[str, str]] = {}
    try:
        columns = rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
        if twice := next((name for name in columns if name and columns.count(name) > 1), None):
            raise ConfigError(f'{named} has the column "{twice}" twice in its first line: leave one')
        if "tagpath" not in columns or not {*TOLD} & {*columns}:
            has = ", ".join(columns) or "nothing"
            raise ConfigError(f"{named} needs the columns tagpath and unit or description in its first line, not {has}")
        for row in rows:
            if None in row:
                raise ConfigError(
                    f'{named} line {rows.line_num} has more cells than its first: put "" around one with {delimiter!r}'
                )
            path = row["tagpath"].strip()
            told = {name: text for name in TOLD if (text := row.get(name, "").strip())}
            if path in found:
                raise ConfigError(f'{named} has tag path "{path}" twice, again in line {rows.line_num}: leave one')
            if path:
                found[path] = told
            elif told:
                raise ConfigError(f"{named} line {rows.line_num} names no tag path: fill it, or remove the line")
    except csv.Error as error:
        raise ConfigError(f"{named} line {rows.line_num + 1} is no CSV: {error}") from None
    return found
