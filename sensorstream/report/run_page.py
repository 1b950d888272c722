"""The run report: one HTML file without a single outside resource, built from what the run's folder holds."""

from __future__ import annotations

import getpass
import json
import platform
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic_files import replace_text
from ..config.settings import Config
from ..errors import LakeError, SensorStreamError
from ..fast_import import arrow_without_pandas
from ..formatting import size
from ..lake.stores import open_store
from ..pipeline.run_record import RunRecord, summary
from ..transform.quality_names import with_name
from ..windows import Window, zone
from .anomalies import Listed, by_tag, listed
from .comparison import Day, around, day_name, verdict, worse
from .config_table import configuration, written
from .lines_to_copy import in_duckdb, in_python
from .outcome import outcome
from .small_multiples import MOST_TAGS, Line, flagged, panel
from .tag_figures import NAME as TAGS
from .tag_figures import compact
from .verdict import Sentence, sentences

if TYPE_CHECKING:
    from jinja2 import Environment

    from ..config.provenance import Value

TITLES = {"check_source": "Source check", "ingest": "Ingest", "check_lake": "Lake check"}
MOST_ROWS = 200  # of a table
MOST_TEXT = 4000  # characters of a cell's output
PACKAGES = ("sensorstream", "pyspark", "pyarrow", "psycopg", "obstore", "papermill", "great-expectations")


def write(
    folder: Path,
    config: Config,
    window: Window,
    failure: SensorStreamError | None,
    *,
    patterns: Sequence[str] | None = None,
    settings: Sequence[Value] | None = None,
    opened: tuple[str | None, str] = (None, "file"),
) -> Path:
    """Write ``report.html`` and ``verdict.json`` into a run's folder, from its executed notebooks, record and checks.

    Parameters
    ----------
    failure
        What ended the run; it stands at the top. What a failed run did not leave is left out.
    patterns
        Those that were asked for; by default those of the configuration.
    settings
        The configuration with its origins (see ``provenance.explain``); by default the values alone.
    opened
        Path and source of the configuration, for whoever reads the same window.
    """
    record = RunRecord.read(folder / "record.json") if (folder / "record.json").exists() else None
    notebooks = [_notebook(folder, name) for name in TITLES if (folder / f"{name}.ipynb").exists()]
    checks = [found for name in ("check_source", "check_lake") if (found := check(folder, name))]
    ended = outcome(window, config.patterns(patterns), record, checks, failure)
    notable, chosen = listed(folder), config.patterns(patterns)
    known = json.loads((folder / TAGS).read_text(encoding="utf-8")) if (folder / TAGS).exists() else None
    paths = known["tagpath"] if known else []
    pictures, not_drawn = _pictures(config, window, notebooks, notable, known, failure)
    beside = around(config, folder, window, chosen)
    lake = check(folder, "check_lake") or {}
    compared = _compared(record, notable if lake else None, window, beside.before, config.timezone)
    late = (record.late or {}).get("tags", {}) if record else {}
    html = (
        templates()
        .get_template("page.html.j2")
        .render(
            window=spoken(window, config.timezone),
            timezone=config.timezone,
            failure=failure,
            outcome=ended,
            sentences=[*sentences(checks, notable, config.timezone), *compared.get("worse", ())],
            beside=beside,
            compared=compared,
            head=_head(config, record),
            untouched=record is None and failure is not None and failure.published is False,
            record=record,
            summary=summary(record) if record else {},
            numbers=_numbers(record) if record else [],
            checks=checks,
            most_rows=MOST_ROWS,
            pictures=pictures,
            notable=notable,
            not_drawn=not_drawn,
            codes=[(with_name(code), count) for code, count in record.quality_codes.items()] if record else [],
            tags=compact(known, lake.get("gaps"), _ids(pictures)) if known else None,
            in_python=in_python(config, window, chosen, paths, opened),
            in_duckdb=in_duckdb(config, window, chosen, paths),
            late=late,
            late_shown={path: ", ".join(days) for path, days in list(late.items())[:MOST_ROWS]},
            plan=next((_first_rows(found["plan"]) for found in notebooks if found["plan"]), None),
            configuration=[(each.key, written(each.value), each.origin) for each in settings or ()]
            or [(key, value, None) for key, value in configuration(config).rows.items()],
            versions={name: version(name) for name in PACKAGES if any(distributions(name=name))}
            | {"Python": platform.python_version()},
            notebooks=notebooks,
        )
    )
    target = folder / "report.html"
    replace_text(target, html)
    ended.save(folder)
    return target


def _pictures(
    config: Config, window: Window, notebooks: Iterable[dict[str, Any]], notable: Sequence[Listed],
    known: dict[str, Any] | None, failure: SensorStreamError | None,
) -> tuple[dict[str, list[dict[str, Any]]], str]:  # fmt: skip
    """The pictures by the section that shows them, and why some are not drawn; those of older runs name no section."""
    found: dict[str, list[dict[str, Any]]] = {}
    for picture in (picture for notebook in notebooks for picture in notebook["pictures"]):
        found.setdefault(picture.get("group", "read"), []).append(picture)
    # A lake that has just failed is not asked again: it would be waited for once more.
    if isinstance(failure, LakeError):
        return found, "the lake failed"
    units = dict(zip(known["tagpath"], known["unit"], strict=True)) if known else {}
    drawn, why_not = flagged(config, window, by_tag(notable, MOST_TAGS), units)
    found["flagged"] = [{"title": each.title, "alt": each.alt, "svg": each.svg} for each in drawn]
    for group in ("flagged", "moved"):
        for number, picture in enumerate(found.get(group, ())):
            picture["id"] = f"{group}-{number}"
    return found, why_not


def _ids(pictures: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Where in the page a tag is drawn."""
    return {each["title"]: each["id"] for group in ("moved", "flagged") for each in pictures.get(group, ())}


def _compared(
    record: RunRecord | None, notable: Sequence[Listed] | None, window: Window, before: Sequence[Day], timezone: str
) -> dict[str, Any]:
    """The run beside those of the days before; nothing where there is nothing to compare."""
    if record is None or not before:
        return {}
    gaps = None if notable is None else sum(kind.total for kind in notable if kind.kind == "gap")
    now = Day(day_name(window, timezone), record.rows_read, sum(record.rows_rejected.values()), gaps)
    told = verdict(now, before)
    return {"days": [now, *before], "sentence": told,
            "worse": [Sentence(told, kind="compared")] if worse(now, before) else []}  # fmt: skip


def prepare(config: Config) -> None:
    """Import what ``write`` will use, for who has to wait anyway: it takes as long as the report itself."""
    arrow_without_pandas()
    panel("", "", Line(np.arange(2), np.arange(2.0)), config.timezone)
    templates().get_template("page.html.j2")
    with suppress(SensorStreamError):  # said where the lake is first needed
        open_store(config)


@cache
def templates() -> Environment:
    """The pages' templates; whatever they are given is escaped."""
    from jinja2 import Environment, PackageLoader

    found = Environment(loader=PackageLoader("sensorstream.report", "."), autoescape=True, trim_blocks=True)
    found.policies["json.dumps_kwargs"] = {"separators": (",", ":")}  # a tenth of the page of many tags are blanks
    return found


def spoken(window: Window, timezone: str) -> str:
    """A window in the site's time zone, as it stands at the top of a report. Pure."""
    form, here = "%a %d %b %Y, %H:%M", zone(timezone)
    return f"{window.start.astimezone(here):{form}} to {window.end.astimezone(here):{form}} ({timezone})"


def check(folder: Path, name: str) -> dict[str, Any] | None:
    """The result that a check kept, with its title; ``None`` if it did not come so far."""
    path = folder / f"{name}.json"
    return {"title": TITLES[name], **json.loads(path.read_text(encoding="utf-8"))} if path.exists() else None


def stands_out(folder: Path, timezone: str) -> list[Sentence]:
    """What the checks of a run's folder found, for people."""
    checks = [found for name in TITLES if (found := check(folder, name))]
    return sentences(checks, listed(folder), timezone)


def _head(config: Config, record: RunRecord | None) -> dict[str, str]:
    """From where to where, and who ran it, when, with what."""
    when = datetime.fromisoformat(record.started) if record else datetime.now(UTC)
    return {
        **places(config),
        "run": f"{when.astimezone(zone(config.timezone)):%a %d %b %Y, %H:%M} by {getpass.getuser()} on"
        f" {platform.node()}, sensorstream {version('sensorstream')}",
    }


def places(config: Config) -> dict[str, str]:
    """From where to where."""
    user = config.db.user if config.db_secret_id is None else f"login of {config.db_secret_id}"
    historian = f"{config.db.dbname} on {config.db.host}:{config.db.port}, schema {config.db_schema}, {user}"
    return {"historian": historian, "lake": config.lake}


def check_summary(folder: Path, name: str) -> str:
    found = check(folder, name)
    return found["summary"] if found else "did not run"


def _numbers(record: RunRecord) -> list[tuple[str, str, str]]:
    """The figures that stand large: value, name, and a word of explanation."""
    rejected = sum(record.rows_rejected.values())
    share = f"{100 * rejected / record.rows_read:.2g} % of what was read" if record.rows_read else "nothing was read"
    reasons = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in record.rows_rejected.items())
    phases = ", ".join(
        f"{phase} {seconds:.1f}" for phase, seconds in record.seconds.items() if phase != "total" and seconds >= 0.05
    )
    late = record.late
    looked = [(f"{late['tag_days']:,}", "late tag days read again", f"found by {late['detector']}")] if late else []
    return [
        (f"{record.rows_read:,}", "readings read", "the historian's own count, in one snapshot"),
        (f"{record.rows_written:,}", "in the lake", f"{record.tags_selected:,} tags selected"),
        (f"{rejected:,}", "rejected", f"{share}: {reasons}" if rejected else share),
        (f"{record.rows_deduplicated:,}", "deduplicated", "several rows of one path and time"),
        *looked,
        (
            f"{record.files_written:,}",
            "files written",
            f"{record.files_unchanged:,} unchanged, {record.files_removed:,} removed",
        ),
        (size(record.bytes_written), "written", "compressed Parquet"),
        (f"{record.seconds['total']:.1f} s", "from start to commit", f"{record.engine} engine: {phases}"),
    ]


def _cut(text: str) -> str:
    more = f"\n… and {len(text) - MOST_TEXT:,} characters more, in the notebook beside this page"
    return text[:MOST_TEXT] + (more if len(text) > MOST_TEXT else "")


def _first_rows(html: str) -> str:
    """A plan's table with its first ``MOST_ROWS`` rows, and how many slices there are beyond."""
    *rows, rest = html.split("</tr>")
    if (more := len(rows) - 1 - MOST_ROWS) <= 0:
        return html
    kept = "</tr>".join(rows[: MOST_ROWS + 1])
    return f"{kept}</tr><tr><td colspan='99'>and {more:,} more slices</td></tr>{rest}"


def _notebook(folder: Path, name: str) -> dict[str, Any]:
    """An executed notebook: its cells as text for unfolding, its pictures, its plan."""
    import nbformat

    cells: list[dict[str, Any]] = []
    pictures, plan, failed = [], None, False
    for cell in nbformat.read(folder / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        text = []
        for output in cell.outputs:
            data, told = output.get("data", {}), output.get("metadata", {}).get("sensorstream")
            if told and "image/svg+xml" in data:
                pictures.append({**told, "svg": data["image/svg+xml"]})
            elif cell.source.rstrip().endswith("\nplan") and "text/html" in data:
                plan = data["text/html"]
            elif output.output_type == "error":
                failed = True
                text.append(f"{output.ename}: {output.evalue}")
            else:
                text.append(output.get("text") or data.get("text/plain", ""))
        cells.append({"source": cell.source, "text": _cut("\n".join(text))})
    return {
        "title": TITLES[name],
        "file": f"{name}.ipynb",
        "cells": cells,
        "pictures": pictures,
        "plan": plan,
        "failed": failed,
    }
