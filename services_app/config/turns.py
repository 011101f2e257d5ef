"""Where a transaction decides by what it has read, who goes first? (ADR 0019)

SQLite knows one writing transaction at a time, so there is nothing to do. On PostgreSQL two transactions that read the same state
would both act on it: those that must not take turns. A turn is an advisory lock, because what has to be locked is mostly a row
that is not there yet, such as the next entry of a ledger. It ends with the transaction; `lock_timeout` bounds the wait.
"""

import enum
import hashlib
import uuid

from django.db import connection, transaction


class Turn(enum.IntEnum):
    """In the order in which one transaction may take several. Numbers stay: an older release may run beside this one."""

    PERSON = 0  # who takes one more of what a person may have
    COLLECTION = 3  # the same of a collection
    GRANT = 1  # who takes a slot of it, or room for a part
    LEDGER = 2  # who writes the next entry


def take(turn: Turn, of: uuid.UUID | str | None = None) -> None:
    """Wait until no other transaction has this turn; ours lasts until its end. Raises TransactionManagementError outside one."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("a turn ends with its transaction")
    if connection.vendor == "postgresql":
        key = int.from_bytes(hashlib.sha256(str(of).encode()).digest()[:4], signed=True) if of else 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [turn, key])
