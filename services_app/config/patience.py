"""A command that waits for the database says so: without a word a person takes it for hung, and ends it."""

import sys
import threading

from django.db.backends.signals import connection_created

AFTER = 2.0  # seconds
SAID = "Still waiting for the database. If another process holds its lock: this goes on when that one ends, or says so in some seconds."


def tell() -> None:
    """From now on each statement of this process that takes longer than AFTER is told on stderr. For commands, not for servers."""
    connection_created.connect(_watch, dispatch_uid="patience")


def _watch(connection, **_kwargs) -> None:
    if _timed not in connection.execute_wrappers:
        connection.execute_wrappers.append(_timed)


def _timed(execute, sql, params, many, context):
    timer = threading.Timer(AFTER, print, (SAID,), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        return execute(sql, params, many, context)
    finally:
        timer.cancel()
