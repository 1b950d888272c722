"""Two engines that read the same plan and stage the same files."""

from .jdbc import raw_readings, stage_jdbc
from .packed import stage_packed

ENGINES = {"packed": stage_packed, "jdbc": stage_jdbc}

__all__ = ["ENGINES", "raw_readings", "stage_jdbc", "stage_packed"]
