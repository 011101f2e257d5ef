"""Django's SQLite backend, whose connections are lent to the threads that need one now (ADR 0019).

So whoever waits for a sender holds none: each is three descriptors and a hundred KiB, and what SQLite is told to close it keeps open
for as long as anybody else in the process has the file.
"""

import sqlite3

from django.db.backends.sqlite3 import base

from .. import lent

# More than there are threads: they wait for whoever writes as it is, each in its turn, and a second queue before that one would have none.
_MOST = 1 << 16


class Lent(lent.Lent):
    wait, unavailable = 0.0, sqlite3.OperationalError

    def is_at_rest(self, connection: sqlite3.Connection) -> bool:
        return not connection.in_transaction

    def lives(self, connection: sqlite3.Connection) -> bool:
        return True


class DatabaseWrapper(base.DatabaseWrapper):
    _lent: dict[str, Lent] = {}

    @property
    def lent(self) -> Lent:
        return self._lent.setdefault(str(self.settings_dict["NAME"]), Lent(_MOST))

    def get_new_connection(self, conn_params):
        if self.is_in_memory_db():  # which Django never closes, for it would be gone
            return super().get_new_connection(conn_params)
        return self.lent.take(lambda: super(DatabaseWrapper, self).get_new_connection(conn_params))

    def _close(self):
        if self.connection is not None:
            self.lent.give_back(self.connection)
            self.connection = None
