"""Two engines that read the same plan and stage the same files."""

from ..staging.jdbc import clean_jdbc, stage_jdbc
from ..staging.packed import clean_packed, stage_packed

# Staged files of a run, and clean readings to look at and bend.
ENGINES = {"packed": stage_packed, "jdbc": stage_jdbc}
READERS = {"packed": clean_packed, "jdbc": clean_jdbc}

__all__ = ["ENGINES", "READERS"]
