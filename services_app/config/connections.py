"""Who holds a connection to the database? (ADR 0019)"""

from django.db import connection


def give_back() -> None:
    """To be called before a long wait, for a sender or for the store: this thread's connection goes back to the pool, and one that
    broke is given up; the next query takes a live one. SQLite has no pool: its file stays open for a while. Inside a transaction
    nothing happens.
    """
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
