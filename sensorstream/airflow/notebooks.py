"""A notebook as a task, executed as the command line does: its failure in one sentence, its report one click away."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.sdk import BaseOperatorLink

from ..atomic_files import replace_json
from ..errors import SensorStreamError, Terminated
from .failures import verdict
from .site import Site, report_url


class ReportLink(BaseOperatorLink):
    """A button on the task's page that opens the run's report."""

    name = "Run report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return report_url(ti_key.dag_id, ti_key.run_id)


class NotebookOperator(PapermillOperator):
    """``PapermillOperator`` that knows this project's failures, and hands the notebook the Airflow Variables."""

    operator_extra_links = (ReportLink(),)
    _told: Path | None = None  # where the report looks for what ended the notebook

    def execute(self, context: Any) -> str:
        """Execute the notebook; return where it is kept.

        Raises
        ------
        AirflowFailException
            The configuration is bad or a check failed: no retry helps.
        SensorStreamError
            Anything else that a cell raised.
        """
        from ..config.airflow_variables import handed_on
        from ..notebook_run.execute import execute
        from ..progress.display import followed
        from .log_lines import did

        executed = Path(str(self.output_nb))
        with_variables = (self.parameters or {}).get("config_source") == "airflow"
        self._told = told = executed.with_suffix(".failure")
        told.unlink(missing_ok=True)
        try:
            with handed_on() if with_variables else nullcontext(), followed(executed.parent, self.log.info):
                execute(Path(str(self.input_nb)), executed, self.parameters or {})
        except SensorStreamError as reason:
            replace_json(told, [type(reason).__name__, str(reason)])
            raise verdict(reason) from None
        told.unlink(missing_ok=True)  # done before it was ended
        for line in did(executed.parent, executed.stem, Site.from_environment().timezone):
            self.log.info("%s", line)
        return str(executed)

    def on_kill(self) -> None:
        """Airflow ends the task, with SIGTERM or for its time-out, and soon by force: the report shall say so."""
        if self._told:
            replace_json(self._told, ["Terminated", Terminated.sentence])
