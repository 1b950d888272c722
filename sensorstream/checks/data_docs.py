"""Data Docs: the pages that Great Expectations itself makes of suites and of what became of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..extras import needs

if TYPE_CHECKING:
    import pandas as pd

SITE = "sensorstream"
PAGES = {"module_name": f"{__package__}.escaped_pages", "class_name": "EscapedPages"}


class DataDocs:
    """A context of the library in a temporary folder, whose only site is ``folder``."""

    def __init__(self, root: Path, folder: Path) -> None:
        from great_expectations import get_context
        from great_expectations.data_context.types.base import ProgressBarsConfig

        self.context: Any = get_context(mode="file", project_root_dir=str(root))
        self.context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self.context.delete_data_docs_site("local_site")
        site: Any = {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "site_section_builders": {section: {"view": PAGES} for section in ("expectations", "validations")},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        }
        self.context.add_data_docs_site(SITE, site)
        self.source: Any = self.context.data_sources.add_pandas("sensorstream")

    def validate(self, suite: Any, frame: pd.DataFrame, parameters: Mapping[str, Any], form: Mapping[str, Any]) -> Any:
        """What becomes of a suite over a frame; its pages are made."""
        from great_expectations import Checkpoint, ValidationDefinition
        from great_expectations.checkpoint import UpdateDataDocsAction

        name = suite.name
        batch = self.source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        definition = ValidationDefinition(name=name, data=batch, suite=self.context.suites.add(suite))
        checkpoint = Checkpoint(
            name=name,
            validation_definitions=[self.context.validation_definitions.add(definition)],
            actions=[UpdateDataDocsAction(name="docs", site_names=[SITE])],
            result_format=dict(form),
        )
        ran = self.context.checkpoints.add(checkpoint).run(
            batch_parameters={"dataframe": frame}, expectation_parameters=dict(parameters)
        )
        return next(iter(ran.run_results.values()))


@contextmanager
def data_docs(folder: Path | None) -> Iterator[DataDocs | None]:
    """Pages in ``folder`` of all that is validated while the block runs; None without a folder."""
    if folder is None:
        yield None
        return
    from .gx_library import LIBRARIES, load_library

    needs("Data Docs", checks=LIBRARIES)
    load_library()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the folder {folder} of the Data Docs cannot be made: {error.strerror}") from None
    root = Path(tempfile.mkdtemp(prefix="sensorstream-docs-"))
    try:
        yield DataDocs(root, folder.resolve())
    finally:
        shutil.rmtree(root, ignore_errors=True)
