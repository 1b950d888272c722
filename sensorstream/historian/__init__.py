"""The historian: where readings come from. Connection, layout, partition tables, tags, the SQL that reads them."""

from .catalog import Historian, open_historian
from .connection import connect
from .model import LeftOut, PartitionTable, Tag, coverage

__all__ = ["Historian", "LeftOut", "PartitionTable", "Tag", "connect", "coverage", "open_historian"]
