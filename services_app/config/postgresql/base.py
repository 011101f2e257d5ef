"""Django's PostgreSQL backend, whose connections are lent to the threads that need one now (ADR 0019).

Closing one gives it back, opening one takes the last that was given back. Nothing here waits for a server that is away: the error
is there at once, and so is the next connection when the server is back.
"""

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from .. import database_password, lent


class Lent(lent.Lent):
    wait, unavailable = 3.0, psycopg.OperationalError

    def is_at_rest(self, connection: psycopg.Connection) -> bool:
        if connection.info.transaction_status != TransactionStatus.IDLE:
            return False
        connection.autocommit = True
        return True

    def lives(self, connection: psycopg.Connection) -> bool:
        try:
            connection.execute("")
        except psycopg.Error:
            return False
        return True


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
