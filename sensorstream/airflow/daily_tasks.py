"""Bodies of the daily DAG's tasks that are no notebooks."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from ..config.settings import OVERRIDES, Config
from ..errors import ConfigError, SensorStreamError, named
from ..windows import Window, window_of
from .failures import RunFailed
from .log_lines import stands_out
from .site import DAILY, Site, report_url

log = logging.getLogger(__name__)


def prepare(parameters: dict[str, Any]) -> str:
    """Read the configuration, so that a bad one fails at once; make the run's folder. Returns the window."""
    try:
        config, window = _asked(parameters)
    except ConfigError as error:
        raise AirflowFailException(str(error)) from None
    if config.timezone != (here := Site.from_environment().timezone):
        log.warning('"timezone" is %s and SENSORSTREAM_TIMEZONE is %s: set both to the site\'s', config.timezone, here)
    Path(parameters["run_folder"]).mkdir(parents=True, exist_ok=True)
    log.info("window    %s", window)
    log.info("tags      %s", ", ".join(config.patterns(parameters["patterns"])))
    log.info("from      %s on %s:%s", config.db.dbname, config.db.host, config.db.port)
    log.info("to        %s", config.lake)
    return str(window)


def write_report(parameters: dict[str, Any]) -> str:
    """Write the HTML report, also of a run that failed; the run is green only if the lake check was."""
    from ..config.provenance import explain
    from ..report import index_page, run_page

    folder = Path(parameters["run_folder"])
    try:
        config, window = _asked(parameters)
    except ConfigError as error:
        raise RunFailed(f"the run failed before it began: {error}") from None
    failure = next((_failure(path) for path in sorted(folder.glob("*.failure"))), None)
    done = run_page.check(folder, "check_lake")
    if not failure and not (done and done["success"]):
        failure = SensorStreamError("a task failed: its log says why")
    settings = None
    try:
        arguments = {name: parameters[name] for name in OVERRIDES}
        settings = explain(parameters["config_path"], parameters["config_source"], arguments)
    except SensorStreamError as error:
        log.warning("The report does not say where its settings came from: %s", error)
    here = config.model_copy(update={"reports_path": str(folder.parent)})
    opened = (parameters["config_path"], parameters["config_source"])
    path = run_page.write(
        folder, here, window, failure, patterns=parameters["patterns"], settings=settings, opened=opened
    )
    index_page.build(here)
    for line in stands_out(folder, config.timezone):
        log.info("%s", line)
    log.info("report         %s", report_url(DAILY, folder.name))
    if failure:
        raise RunFailed(f"the run failed: {failure}; report: {path}")
    return str(path)


def _failure(told: Path) -> SensorStreamError:
    """What ended a notebook, as its task kept it."""
    name, reason = json.loads(told.read_text(encoding="utf-8"))
    return (named(name) or SensorStreamError)(reason)


def _asked(parameters: dict[str, Any]) -> tuple[Config, Window]:
    from ..config.sources import load

    arguments = {name: parameters[name] for name in OVERRIDES}
    config = load(parameters["config_path"], source=parameters["config_source"], arguments=arguments)
    return config, window_of(config.timezone, day=parameters["date"], start=parameters["start"], end=parameters["end"])
