"""Hold a small frame against a suite with Great Expectations, which is imported only when it runs (``gx_library``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .data_docs import DataDocs
from .gx_library import load_library
from .result import EXAMPLES, Finding, Severity
from .suites import Suite

if TYPE_CHECKING:
    import pandas as pd

ORDER = "order"  # of an expectation in its suite: the library sorts results its own way
SAYS = "says"  # of its meta: what completes "12 tags ..." where it does not hold


def validate(
    suite: Suite,
    frame: pd.DataFrame,
    *,
    keys: Sequence[str],
    parameters: Mapping[str, Any] | None = None,
    docs: DataDocs | None = None,
) -> list[Finding]:
    """What becomes of every expectation of ``suite`` over ``frame``.

    Parameters
    ----------
    keys
        Columns that name a row in examples; ``tagpath`` must be one.
    parameters
        Values for ``$PARAMETER``; an expectation that asks for one that is ``None`` is left out.
    docs
        Where the library's own pages are made as well.

    Raises
    ------
    ConfigError
        An expectation that the library does not know, or that does not fit the frame.
    """
    load_library()
    parameters = dict(parameters or {})
    suite = suite.given(parameters)
    given = {name: value for name, value in parameters.items() if value is not None}
    form = {
        "result_format": "COMPLETE",
        "unexpected_index_column_names": list(keys),
        "include_unexpected_rows": False,
    }
    if docs:
        outcome = docs.validate(_suite(suite), frame, given, form)
    else:
        outcome = _batch(suite, frame).validate(_suite(suite), expectation_parameters=given, result_format=form)
    results = sorted(outcome.results, key=lambda result: result.expectation_config.meta[ORDER])
    return [_finding(suite.name, result) for result in results]


def _suite(suite: Suite) -> Any:
    from great_expectations import ExpectationSuite

    expectations = [_expectation(suite, number, given) for number, given in enumerate(suite.expectations)]
    return ExpectationSuite(name=suite.name, expectations=expectations)


def _expectation(suite: Suite, number: int, given: Mapping[str, Any]) -> Any:
    """Built one by one: a suite of the library leaves out what it does not know, and passes."""
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    numbered = {**given, "meta": {**(given.get("meta") or {}), ORDER: number}}
    try:
        return ExpectationConfiguration(**numbered).to_domain_obj()
    except (GreatExpectationsError, ValueError, TypeError, OverflowError) as error:  # pydantic's errors are ValueErrors
        said = " ".join(str(error).split())
        raise ConfigError(f'{suite.name}.json: "{_words(given)}" is refused by Great Expectations: {said}') from None


def _words(expectation: Mapping[str, Any]) -> str:
    return expectation.get("description") or expectation["type"].replace("_", " ")


def _batch(suite: Suite, frame: pd.DataFrame) -> Any:
    from great_expectations import get_context
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = get_context(mode="ephemeral")  # leaves no folder behind
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("sensorstream").add_dataframe_asset(suite.name)
    return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})


def _finding(suite: str, result: Any) -> Finding:
    config, details = result.expectation_config, result.result
    words = _words({"description": config.description, "type": config.type})
    if not result.success and (trouble := _trouble(result.exception_info)):
        raise ConfigError(f'{suite}.json: "{words}" cannot be evaluated: {trouble}')
    kwargs = config.kwargs
    column = kwargs.get("column") or " and ".join(
        [kwargs[side] for side in ("column_A", "column_B") if side in kwargs] or kwargs.get("column_list", [])
    )
    rows = _worst_first([_plain_row(row) for row in details.get("unexpected_index_list") or []], kwargs)
    paths = list(dict.fromkeys(_path(row["tagpath"]) for row in rows))
    severity: Severity = getattr(config.severity, "value", config.severity) or "critical"
    return Finding(
        suite=suite,
        expectation=words,
        type=config.type,
        column=column,
        severity=severity,
        success=bool(result.success),
        says=str((config.meta or {}).get(SAYS) or ""),
        area=_area(paths),
        observed=_plain(details.get("observed_value")),
        unexpected=int(details.get("unexpected_count") or 0),
        tags=tuple(paths[:EXAMPLES]),
        tags_total=len(paths),
        examples=tuple(rows[:EXAMPLES]),
    )


def _worst_first(rows: Sequence[dict[str, Any]], kwargs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By how far the column is out of its bounds; as they come where it has none, or no number."""
    sides = [(sign, kwargs.get(side)) for side, sign in (("min_value", -1), ("max_value", 1))]
    bounds = [(sign, bound) for sign, bound in sides if isinstance(bound, int | float)]

    def beyond(row: Mapping[str, Any]) -> float:
        value = row.get(kwargs.get("column", ""))
        return max((sign * (value - of) for sign, of in bounds), default=0) if isinstance(value, int | float) else 0

    return sorted(rows, key=beyond, reverse=True)


def _area(paths: Sequence[str]) -> str:
    """The folder that all of them are in, as far down as they share it."""
    levels = zip(*(path.split("/")[:-1] for path in paths), strict=False)
    return "/".join(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _trouble(info: Mapping[str, Any]) -> str | None:
    """The first exception's own words; the library nests them by metric where a metric failed."""
    if info.get("raised_exception"):
        return str(info.get("exception_message"))
    nested = (value for value in info.values() if isinstance(value, Mapping))
    return next((str(n.get("exception_message")) for n in nested if n.get("raised_exception")), None)


def _path(path: str | None) -> str:
    """A tag path as a message can show it: none, or in quotes where blanks would not be seen."""
    if path is None:
        return "(no path)"
    return path if path and path == path.strip() else f'"{path}"'


def _plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of the row first, values as JSON has them."""
    return {name: _plain(row[name]) for name in sorted(row, key=lambda name: (name != "tagpath", name))}


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        if value != value:
            return None
        # A column with a missing number turns integers into doubles.
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value if isinstance(value, str | int | bool | None) else str(value)
