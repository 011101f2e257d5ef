"""The states of an upload and the ways between them, as a table."""

from enum import StrEnum


class State(StrEnum):
    WAITING = "waiting"  # nobody is sending; what came so far is safe, and the sender may go on
    RECEIVING = "receiving"  # one request is sending
    COMMITTING = "committing"  # all bytes are durable and agree; publishing under way
    COMMITTED = "committed"  # visible, in the ledger, receipt signed
    ABORTED = "aborted"  # refused, cancelled or expired; nothing visible; the grant is free again
    DELETED = "deleted"  # was committed, then removed over the internal API; out of the trash it comes back


NEXT = {
    State.WAITING: {State.RECEIVING, State.ABORTED},
    State.RECEIVING: {State.WAITING, State.COMMITTING, State.ABORTED},
    State.COMMITTING: {State.COMMITTED, State.ABORTED},
    State.COMMITTED: {State.DELETED},
    State.ABORTED: set(),
    State.DELETED: {State.COMMITTED},
}

# Of several uploads under one grant the best counts: a refusal of one does not hide that another is stored, or waits.
BEST_FIRST = (State.COMMITTED, State.COMMITTING, State.RECEIVING, State.WAITING, State.DELETED, State.ABORTED)


class Standing(StrEnum):
    """What people may do with a stored file. What is stored and what was found of it are two things: a receipt says the first."""

    STORED = "stored"  # no hook must have looked at it
    CHECKING = "checking"  # one must, and has not yet
    RELEASED = "released"  # all that must have looked found nothing
    QUARANTINED = "quarantined"  # one found something


RUNNING = (State.RECEIVING, State.COMMITTING)
