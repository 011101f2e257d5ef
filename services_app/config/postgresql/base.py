"""Django's PostgreSQL backend, whose connections are lent to the threads that need one now (ADR 0019).

Closing one gives it back, opening one takes the last that was given back. Nothing here waits for a server that is away: the error
is there at once, and so is the next connection when the server is back.
"""

import threading
import time
from collections import deque

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from .. import database_password

WAIT = 3.0  # seconds until somebody must have given one back
KEEP = 60.0  # seconds that one waits for the next thread


class Lent:
    """At most `most` connections to one database, each for one thread at a time."""

    def __init__(self, most: int):
        self._places, self._lock = threading.BoundedSemaphore(most), threading.Lock()
        self._idle: deque[tuple[float, psycopg.Connection]] = deque()  # oldest first

    def take(self, connect) -> psycopg.Connection:
        """One that lives, made by `connect` if need be. Raises OperationalError when none is given back in time."""
        if not self._places.acquire(timeout=WAIT):
            raise psycopg.OperationalError("every connection of this process is in use")
        try:
            return self._living() or connect()
        except BaseException:
            self._places.release()
            raise

    def give_back(self, connection: psycopg.Connection) -> None:
        """One in the middle of something, or broken, is of no use to anybody."""
        try:
            if connection.info.transaction_status != TransactionStatus.IDLE:
                connection.close()
                return
            connection.autocommit = True
            now = time.monotonic()
            with self._lock:
                self._idle.append((now, connection))
                stale = [self._idle.popleft() for _ in range(sum(since < now - KEEP for since, _ in self._idle))]
            for _, unused in stale:
                unused.close()
        finally:
            self._places.release()

    def close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, deque()
        for _, connection in idle:
            connection.close()

    def _living(self) -> psycopg.Connection | None:
        with self._lock:
            newest = self._idle.pop()[1] if self._idle else None
        if newest is None:
            return None
        try:
            newest.execute("")
        except psycopg.Error:
            # The server ended it. Then it ended the older ones as well.
            newest.close()
            self.close_idle()
            return None
        return newest


class DatabaseWrapper(base.DatabaseWrapper):
    pool = None  # not Django's
    _lent: dict[tuple, Lent] = {}

    @property
    def lent(self) -> Lent:
        names = tuple(self.settings_dict[name] for name in ("HOST", "PORT", "NAME", "USER"))
        return self._lent.setdefault(names, Lent(self.settings_dict.get("CONNECTIONS", 1)))

    def get_connection_params(self):
        newest = database_password.current()
        return super().get_connection_params() | ({"password": newest} if newest else {})

    def get_new_connection(self, conn_params):
        return self.lent.take(lambda: super(DatabaseWrapper, self).get_new_connection(conn_params))

    def _close(self):
        if self.connection is not None:
            with self.wrap_database_errors:
                self.lent.give_back(self.connection)
            self.connection = None

    def close_pool(self):
        """Before a fork: no two processes may speak over one connection."""
        self.lent.close_idle()
