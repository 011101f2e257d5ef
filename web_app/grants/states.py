"""States of a grant, and the ways between them. This table is the rule; nothing else decides."""

from django.db import models


class State(models.TextChoices):
    ISSUED = "issued"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


# A receipt may arrive after the person gave up or the time ran out: the bytes are there all the same, and saying
# otherwise would be a lie about stored health data.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.ISSUED: frozenset({State.COMPLETE, State.CANCELLED, State.EXPIRED}),
    State.CANCELLED: frozenset({State.COMPLETE}),
    # Its upload may still wait on the services tier: a renewed token goes on with it.
    State.EXPIRED: frozenset({State.COMPLETE, State.ISSUED}),
    State.COMPLETE: frozenset(),
}


class TransitionRefused(Exception):
    def __init__(self, before: str, after: str):
        super().__init__(f"{before}_to_{after}")


def check_transition(before: str, after: State) -> None:
    if after not in TRANSITIONS[State(before)]:
        raise TransitionRefused(before, after)
