"""What a standby has not replayed yet must not be taken for all there is."""

from __future__ import annotations

from datetime import timedelta

from ..config.credentials import Login
from ..errors import SourceError
from ..windows import Window
from .connection import Connection, source_errors

# Of a window that reaches into the present the last readings are on their way anyway, to a standby that keeps up too.
KEEPING_UP = timedelta(minutes=1)

# Until when, and whether it is connected and has replayed all that it received: its primary had nothing to commit.
REPLAYED = """
SELECT now(), pg_last_xact_replay_timestamp(),
    EXISTS (SELECT FROM pg_stat_wal_receiver) AND NOT pg_is_wal_replay_paused()
    AND pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()
WHERE pg_is_in_recovery()
"""


def refuse_lagging(connection: Connection, login: Login, window: Window) -> None:
    """``SourceError`` where the historian is a standby that has not replayed what was committed in ``window``."""
    with source_errors(login, "asking whether it is a standby"):
        row = connection.execute(REPLAYED).fetchone()
    if row is None:
        return
    now, until, everything = row
    if everything or (until is not None and until >= min(window.end, now - KEEPING_UP)):
        return
    known = f"only what was committed until {until:%Y-%m-%d %H:%M:%S} UTC" if until else "nothing yet"
    raise SourceError(
        f"historian {login.place} is a standby that has replayed {known}, of {window}: wait until it has caught up,"
        " choose a window that ended before, or read from the primary"
    )
