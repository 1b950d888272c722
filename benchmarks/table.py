"""A case's figures as a table, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

HEADS = (
    "contender", "wall s/M", "min..max", "ours/", "CPU s/M", "PG CPU", "S3 CPU",
    "memory MB", "wire B", "rest B", "files",
)  # fmt: skip
# A terminal of 80 columns holds times and sizes one below the other.
TIMES, SIZES = slice(1, 7), slice(7, None)
UNITS = (
    "Seconds are per million readings: the median of the rounds, the quickest and the slowest; CPU seconds likewise, of"
    ' the contender\'s processes, of PostgreSQL (PG) and of the S3 server. "ours/" is our wall time over the'
    " contender's: that of packed, of ingest where each round is a new process. Memory is the most that all processes"
    " of the contender had resident at one time. Wire (what PostgreSQL sent) and rest (objects in the lake) are bytes a"
    " reading."
)


def rows(case: Mapping[str, Any]) -> list[list[str]]:
    """One row an entrant, as text, in the order of ``HEADS``."""
    found = []
    for one in case["figures"]:
        if one["failure"]:
            found.append([one["name"], "failed", *[""] * (len(HEADS) - 2)])
            continue
        ratio = case["ratios"].get(one["name"])
        found.append(
            [
                one["name"],
                _seconds(one["wall"]),
                f"{one['wall']['low']:.2f}..{one['wall']['high']:.2f}",
                f"{ratio['median']:.2f}×" if ratio else "",
                *(_seconds(one[key]) for key in ("client_cpu", "postgres_cpu", "s3_cpu")),
                _whole(one["memory"]),
                _plain(one["wire"]),
                _plain(one["rest"]),
                f"{one['files']:,}" if one["files"] else "",
            ]
        )
    return found


def _seconds(spread: Mapping[str, float] | None) -> str:
    return f"{spread['median']:.2f}" if spread else ""


def _whole(spread: Mapping[str, float] | None) -> str:
    return f"{spread['high']:,.0f}" if spread else ""


def _plain(value: float | None) -> str:
    return f"{value:.1f}" if value is not None else ""


def target_lines(case: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each target as a sentence, and whether it is met."""
    verdicts = {True: "met", False: "missed", None: "not measured"}
    return [
        (
            f"{target['name']}: {'' if target['found'] is None else format(target['found'], '.2f') + ' '}"
            f"(at most {target['limit']:g})",
            verdicts[target["met"]],
        )
        for target in case["targets"]
    ]


def title(case: Mapping[str, Any]) -> str:
    counts = sorted(set(case["expected"].values()))
    return f"{case['title']}: {', '.join(f'{n:,}' for n in counts)} readings, {case['rounds_asked']} rounds"


def show(case: Mapping[str, Any], console: Console) -> None:
    """Print table, notes and targets."""
    found = rows(case)
    for part, heading in ((TIMES, title(case)), (SIZES, "")):
        table = Table(title=heading or None, title_justify="left")
        for head in (HEADS[0], *HEADS[part]):
            table.add_column(head, justify="left" if head == HEADS[0] else "right")
        for row in found:
            table.add_row(row[0], *row[part])
        console.print(table)
    console.print(f"{UNITS} {case['note']}".strip(), style="dim")
    for one in case["figures"]:
        console.print(one["failure"] or f"{one['name']}: {one['note']}.", style="red" if one["failure"] else "dim")
    for sentence, verdict in target_lines(case):
        console.print(f"{verdict:>12}  {sentence}", style={"met": "green", "missed": "red"}.get(verdict, ""))


def markdown(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join(" --- " for _ in heads) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])
