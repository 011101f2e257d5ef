"""The states of an upload and the ways between them, as a table."""

from enum import StrEnum


class State(StrEnum):
    WAITING = "waiting"  # nobody is sending; what came so far is safe, and the sender may go on
    RECEIVING = "receiving"  # one request is sending
    COMMITTING = "committing"  # all bytes are durable and agree; publishing under way
    COMMITTED = "committed"  # visible, in the ledger, receipt signed
    ABORTED = "aborted"  # refused, cancelled or expired; nothing visible; the grant is free again
    DELETED = "deleted"  # was committed, then removed over the internal API


NEXT = {
    State.WAITING: {State.RECEIVING, State.ABORTED},
    State.RECEIVING: {State.WAITING, State.COMMITTING, State.ABORTED},
    State.COMMITTING: {State.COMMITTED, State.ABORTED},
    State.COMMITTED: {State.DELETED},
    State.ABORTED: set(),
    State.DELETED: set(),
}

RUNNING = (State.RECEIVING, State.COMMITTING)
