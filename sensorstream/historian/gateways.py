"""Gateways: which of them writes a tag id, what it is called, and what is put before its tag paths.

The path in ``sqlth_te`` has no gateway, its scan class has: ``scid -> sqlth_scinfo.drvid -> sqlth_drv``. A tag that
moves to another scan class stays with its gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from psycopg import sql

from ..errors import ConfigError
from .arrays import array

if TYPE_CHECKING:
    from .catalog import Historian

Gateway = int | None  # its number (``drvid``); ``None`` where no table tells


def names(drivers: Iterable[tuple[int, str | None, str | None]]) -> dict[int, str]:
    """What each gateway is called: its name, with its provider where one name has several, with its number where that
    does not do. Pure.

    Parameters
    ----------
    drivers
        Number, name and provider.
    """
    spelled = {
        number: (name, f"{name}:{provider}", f"{name}:{provider}:{number}") if name else (f"driver {number}",) * 3
        for number, name, provider in drivers
    }
    found = {}
    for number, ways in spelled.items():
        own = [n for n, name in enumerate(ways) if [other[n] for other in spelled.values()].count(name) == 1]
        found[number] = ways[own[0]] if own else ways[-1]
    return found


def gateway_names(historian: Historian) -> dict[int, str]:
    """What each gateway of the historian is called, those that only a scan class names too."""
    there = historian.gateway_tables()
    rows: dict[int, tuple[str | None, str | None]] = {}
    for table, query in (
        ("sqlth_scinfo", "SELECT DISTINCT drvid::int8, NULL, NULL FROM {} WHERE drvid IS NOT NULL"),
        ("sqlth_drv", "SELECT id::int8, name::text, provider::text FROM {}"),
    ):
        if table in there:
            found = historian.ask("reading the gateways", sql.SQL(query).format(_table(historian, table)))
            rows |= {number: (name, provider) for number, name, provider in found}
    return names((number, *rows[number]) for number in sorted(rows))


def gateways_of(historian: Historian, ids: Sequence[int]) -> dict[int, Gateway]:
    """The gateway of each tag id."""
    known: dict[int, Gateway] = dict.fromkeys(ids)
    if "sqlth_scinfo" in historian.gateway_tables():
        asked = sql.SQL(
            "SELECT t.id::int8, drvid::int8 FROM {} t JOIN {} s ON s.id = scid WHERE t.id = ANY({})"
        ).format(_table(historian, historian.tags_name), _scan_classes(historian), array(ids, "int8"))
        known |= dict(historian.ask("reading the tags' gateways", asked))
    return known


def with_prefix(
    historian: Historian, tags: sql.Composable, path: sql.Composable
) -> tuple[sql.Composable, sql.Composable]:
    """What to select ``tags``, which are ``own``, from, and their ``path`` with the prefix of the gateway.

    Raises ``ConfigError`` for a prefix of a gateway that there is not.
    """
    if not historian.gateway_prefixes:
        return tags, path
    numbers = {name: number for number, name in gateway_names(historian).items()}
    for name in historian.gateway_prefixes:
        if name not in numbers:
            known = ", ".join(f'"{each}"' for each in sorted(numbers)) or "none"
            raise ConfigError(f'"gateway_prefixes": the historian has no gateway "{name}": there are {known}')
    joined = sql.SQL("{} LEFT JOIN {} s ON s.id = own.scid LEFT JOIN unnest({}, {}) AS p(drvid, prefix) USING (drvid)")
    return (
        joined.format(
            tags,
            _scan_classes(historian),
            array([numbers[name] for name in historian.gateway_prefixes], "int8"),
            array(list(historian.gateway_prefixes.values()), "text"),
        ),
        sql.SQL("CASE WHEN btrim({0}) = '' THEN {0} ELSE coalesce(prefix, '') || {0} END").format(path),
    )


def _scan_classes(historian: Historian) -> sql.Composable:
    """``id, drvid``, each id once."""
    query = "(SELECT id, min(drvid) AS drvid FROM {} GROUP BY id)"
    return sql.SQL(query).format(_table(historian, "sqlth_scinfo"))


def _table(historian: Historian, name: str) -> sql.Identifier:
    return sql.Identifier(historian.schema, name)
