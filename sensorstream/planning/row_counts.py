"""A run's snapshot of the historian, and the historian's own count of what is read in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from operator import itemgetter

from ..errors import NotReconciled
from ..historian import Historian, PartitionTable
from .plan import Plan
from .slices import PageCount


def pinned(historian: Historian, plan: Plan, also: Collection[PartitionTable] = ()) -> tuple[Plan, str]:
    """Begin the run's transaction; the plan with what only its snapshot tells, and the snapshot's name.

    Tables that are looked at ``also`` are held as those of the plan are.

    Of a table that holds nothing but what is wanted no row needs to be looked at whether it is, which is a tenth of
    what packing it costs, and what is packed can be counted on the way, which is a sixth.
    """
    snapshot = historian.export_snapshot(sorted({*plan.tables, *also}))
    whole = [n for n in sorted(plan.indexed) if historian.holds_only(plan.tables[n], plan.window, plan.ids)]
    names = ", ".join(plan.tables[n].name for n in whole)
    notes = [f"every row of {names} is wanted, as the indexes show: none is filtered"] if whole else []
    return replace(plan, whole=frozenset(whole), notes=(*plan.notes, *notes)), snapshot


def counts(historian: Historian, plan: Plan, *, without: Collection[int] = ()) -> dict[str, int]:
    """The historian's own count of what a pinned plan reads of each of its tables, by name, ``without`` some."""
    return {
        table.name: historian.count(table) if n in plan.whole else historian.count(table, plan.window, plan.ids)
        for n, table in enumerate(plan.tables)
        if n not in without
    }


def counts_of_passed(plan: Plan, counted: Iterable[PageCount]) -> dict[str, int]:
    """The same of those that were ``passed``, from what PostgreSQL counted in each slice. Pure.

    Raises ``NotReconciled`` where the slices that were read are not the whole table, each part of it once.
    """
    rows: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for table, page, count in counted:
        rows[table].append((page, count))
    for n, pages in plan.passed.items():
        starts, ends = zip(*sorted(pages, key=itemgetter(0)), strict=True)
        if not sorted(page for page, _ in rows[n]) == [*starts] == [0, *ends[:-1]] or ends[-1] is not None:
            raise NotReconciled(
                f"{plan.tables[n].name} was not read from end to end, each page once:"
                " nothing of it is published, run again and report this"
            )
    return {plan.tables[n].name: sum(count for _, count in rows[n]) for n in plan.passed}
