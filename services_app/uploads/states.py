"""The states of an upload and the ways between them, as a table."""

from enum import StrEnum


class State(StrEnum):
    RECEIVING = "receiving"  # a request is sending, or was; bytes are in staging
    COMMITTING = "committing"  # all bytes are durable and agree; publishing under way
    COMMITTED = "committed"  # visible, in the ledger, receipt signed
    ABORTED = "aborted"  # given up, nothing visible; the grant is free again
    DELETED = "deleted"  # was committed, then removed over the internal API


NEXT = {
    State.RECEIVING: {State.COMMITTING, State.ABORTED},
    State.COMMITTING: {State.COMMITTED, State.ABORTED},
    State.COMMITTED: {State.DELETED},
    State.ABORTED: set(),
    State.DELETED: set(),
}

RUNNING = (State.RECEIVING, State.COMMITTING)
