"""Whose turn is it? Of a hook and a collection always the oldest open delivery, and no other before that has ended: that is the order.

A try holds a lease which ends when nothing of it can be under way any more. It is not renewed: the try ends before.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Min

from services_app.hooks.configured import hooks
from services_app.hooks.hook import CLAMD, COMMAND, LONGEST_TIMEOUT, Hook
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases
from services_app.uploads.states import Standing
from services_app.uploads.states import State as UploadState

from .handed import End, Outcome
from .models import OPEN, Delivery, State

_MARGIN = 30  # seconds from a hook's timeout to the end of its lease
_ENDED = {End.TAKEN: State.DONE, End.FOUND: State.FOUND, End.NEVER: State.FAILED}
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0  # seconds


def lease_of(timeout: int) -> timedelta:
    return timedelta(seconds=timeout + _MARGIN)


def due(hook: Hook, besides: set[int]) -> Iterator[Delivery]:
    """Those whose turn and time it is; not those in `besides`, which this process hands on itself."""
    now = leases.now()
    heads = Delivery.objects.filter(hook=hook.name, state__in=OPEN).values("collection").annotate(head=Min("seq"))
    heads = Delivery.objects.filter(hook=hook.name, state__in=OPEN, seq__in=[one["head"] for one in heads])
    for delivery in heads.select_related("upload__grant").order_by("seq"):
        if delivery.id not in besides and _is_free(delivery, hook, now):
            yield delivery


def _is_free(delivery: Delivery, hook: Hook, now: datetime) -> bool:
    if delivery.state == State.WAITING:
        return delivery.next_at is None or delivery.next_at <= now
    # A program outlives a worker that was killed, until its time is over; the rest ends with its process.
    gone = hook.kind != COMMAND and leases.is_gone(delivery.owner)
    return gone or leases.ran_out(delivery, lease_of(LONGEST_TIMEOUT), now)  # it began with the timeout of then


def claim(delivery: Delivery, hook: Hook) -> bool:
    """Begin a try, if nobody else did: True, and the fields of `delivery` are those of the database. One whose file was deleted ends."""
    seen = Delivery.objects.filter(id=delivery.id, state=delivery.state, generation=delivery.generation)
    if not Upload.objects.filter(id=delivery.upload_id, state=UploadState.COMMITTED).exists():
        seen.update(state=State.MOOT, ended_at=leases.now(), **_let_go())
        return False
    now = leases.now()
    ours = {
        "state": State.RUNNING,
        "generation": delivery.generation + 1,
        "attempts": delivery.attempts + 1,
        "first_tried_at": delivery.first_tried_at or now,
        "owner": leases.owner(),
        **leases.held(lease_of(hook.timeout)),
    }
    if not seen.update(**ours):
        return False
    for name, value in ours.items():
        setattr(delivery, name, value)
    return True


def record(delivery: Delivery, hook: Hook, outcome: Outcome) -> State | None:
    """How a try ended; None, and nothing is changed, where it was not ours any more."""
    now = leases.now()
    if outcome.end in _ENDED:
        ended = {"state": _ENDED[outcome.end], "ended_at": now}
    elif now - delivery.first_tried_at >= timedelta(hours=hook.give_up):
        ended = {"state": State.FAILED, "ended_at": now}
    else:
        ended = {"state": State.WAITING, "next_at": now + timedelta(seconds=pause(delivery.attempts))}
    with transaction.atomic():
        return ended["state"] if _ours(delivery).update(said=outcome.said, **ended, **_let_go()) else None


def give_back(delivery: Delivery) -> None:
    """The try is broken off by ourselves and counts for nothing: the next worker may begin at once."""
    _ours(delivery).update(state=State.WAITING, attempts=delivery.attempts - 1, **_let_go())


def pause(attempts: int) -> float:
    """Seconds until the next try: twice as long each time, and not the same for all that failed together."""
    longest = min(FIRST_PAUSE * 2 ** min(attempts - 1, 20), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1)  # noqa: S311  no secret


def try_again(upload_id) -> int:
    """Have what was given up for this file tried again, now; return how many there were."""
    again = {"state": State.WAITING, "next_at": None, "ended_at": None, "first_tried_at": None, "attempts": 0}
    return Delivery.objects.filter(upload_id=upload_id, state=State.FAILED).update(**again)


def decided(upload_id, verdict: Standing) -> None:
    """An operator gives the verdict: so it was found, or not found, by those who found something or were given up."""
    judges = [hook.name for hook in hooks() if hook.required or hook.kind == CLAMD]
    theirs = Delivery.objects.filter(upload_id=upload_id, state__in=(State.FAILED, State.FOUND), hook__in=judges)
    theirs.update(state=State.DONE if verdict == Standing.RELEASED else State.FOUND, said="operator")


def _ours(delivery: Delivery):
    return Delivery.objects.filter(id=delivery.id, state=State.RUNNING, generation=delivery.generation)


def _let_go() -> dict:
    return {"owner": "", "lease_until": None, "lease_boot": "", "lease_uptime": 0}
