"""What a run reads and keeps nothing of, or does not read, in sentences: it is no quiet success."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ..historian import Historian
from ..historian.readings_sql import in_window
from ..planning.plan import Plan
from ..transform.clean import Tally
from ..transform.quality import QualityRule
from ..transform.quality_names import with_name


def warnings_of(
    historian: Historian, what: Plan, counts: Mapping[str, int], tally: Tally, rule: QualityRule
) -> Iterator[str]:
    """What the record of a run warns of; to be asked in the run's snapshot.

    Parameters
    ----------
    counts
        The historian's own count of what was read of each table, by name.
    """
    yield from (left.why for left in what.left_out if left.certain)
    rejected, unkept = sum(tally.rejected.values()), 0
    for table in what.tables:
        count = counts[table.name]
        # A table of more readings than the whole run rejects keeps some, so hardly any is ever looked into.
        if 0 < count <= rejected:
            codes = historian.codes(table, in_window(table, what.window, what.ids))
            if (reasons := reasons_of(codes, rule)).total() == count:
                unkept += count
                yield nothing_kept(table.name, reasons, codes)
        elif not count and what.every_tag and historian.holds_any(table, what.window):
            yield no_known_tag(table.name, historian.tags_name)
    if tally.read and not tally.written and unkept < tally.read:
        yield nothing_kept("the window", tally.rejected, tally.codes)


def reasons_of(codes: Mapping[int | None, int], rule: QualityRule) -> Counter[str]:
    """Why readings of these quality codes are rejected, and how many."""
    found: Counter[str] = Counter()
    for code, count in codes.items():
        if reason := rule.reason(code):
            found[reason] += count
    return found


def nothing_kept(tables: str, reasons: Mapping[str, int], codes: Mapping[str, int] | Mapping[int | None, int]) -> str:
    """That not one of the readings of a table, or of several, is kept, why, and what to do. Pure."""
    why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
    seen = {"no" if code in (None, "None") else with_name(code): count for code, count in codes.items()}
    those = ", ".join(f"{code} ({count:,})" for code, count in sorted(seen.items()))
    remedy = 'name the codes that are good under "good_quality"' if set(seen) != {"no"} else "give them one in a view"
    total = sum(reasons.values())
    return f"not one of {total:,} readings of {tables} is kept, {why}, with quality code {those}: {remedy}"


def no_known_tag(table: str, tags_table: str) -> str:
    """That a table holds readings, and no tag has them. Pure."""
    return (
        f"{table} holds readings of the window, and none is of a tag in {tags_table}: add its tags there, or see"
        " whether the reader is shown all of them"
    )
