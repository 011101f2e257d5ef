"""A newer request for the same upload takes over, in under a second, wherever the older one sits.

    newer: contender += 1                                           "I want it"
    older: is told (writers.py), makes its bytes durable → waiting   "here you are"
    newer: waiting → receiving, generation = its contender

The newer one begins only after the older one has let go, so bytes of the two never interleave, and what the older one
took is not lost. An older one whose process is gone, or that lost its lease, is settled instead (recover.py).

An offset that was told must stay true although an older append may still be on its way from nginx. So every retrieval
counts (`retrievals`), nginx's question (authorize.py) reads the count before an append is passed on, and an append that
comes with an older count is too late.
"""

import contextlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator

from django.db import transaction
from django.db.models import F

from services_app.metrics import counted
from services_app.uploads import actions, errors, recover
from services_app.uploads.models import Upload
from services_app.uploads.states import State

from . import leases, writers

CONTENDERS = 2  # requests of one process that may wait for one upload; of a person on a bad line there is one
PATIENCE = 0.9  # seconds until the older request must have let go
_LOOK_EVERY = 0.02

_lock, _waiting = threading.Lock(), Counter()


def seize(upload: Upload, retrievals: int | None = None, room: Callable[[Upload], int] | None = None) -> Upload:
    """Become the one writer of an upload, of which `upload` is what was just read; return it in state `receiving`.

    `retrievals`: how many there were when this request arrived, if that is known. `room` as in actions.take_up. Raises
    UploadInProgress (the older request does not let go, a newer one came, or CONTENDERS wait already), the Problem of an upload
    that has ended, UploadUnknown, StoreUnavailable, or whatever `room` raises.
    """
    _check_order(upload, retrievals)
    _check_place(upload)
    # Mostly nobody else is about: one statement, and what was read is true still. Every writer leaves another generation.
    seen = {"contender": upload.contender, "generation": upload.generation}
    if upload.state == State.WAITING and actions.take_up(upload, upload.contender + 1, room, **seen):
        return upload
    with _in_line(upload.id):
        return _wait_for(upload.id, retrievals, room)


@contextlib.contextmanager
def _in_line(upload_id: uuid.UUID) -> Iterator[None]:
    """Raises UploadInProgress. A crowd that takes one upload from each other would hold threads, and write to the database, without end."""
    with _lock:
        if _waiting[upload_id] >= CONTENDERS:
            raise errors.UploadInProgress
        _waiting[upload_id] += 1
    try:
        yield
    finally:
        with _lock:
            _waiting[upload_id] -= 1
            if not _waiting[upload_id]:
                del _waiting[upload_id]


def _wait_for(upload_id: uuid.UUID, retrievals: int | None, room: Callable[[Upload], int] | None) -> Upload:
    mine = _raise_hand(upload_id)
    deadline, was_running = time.monotonic() + PATIENCE, False
    while True:
        upload = _look(upload_id)
        if upload.contender != mine:
            raise errors.UploadInProgress
        _check_order(upload, retrievals)
        _check_place(upload)
        if upload.state == State.WAITING and actions.take_up(upload, mine, room, contender=mine, generation=upload.generation):
            counted.takeovers.inc(was_running)
            return upload
        was_running |= upload.state == State.RECEIVING
        _make_it_let_go(upload)
        if time.monotonic() > deadline:
            raise errors.UploadInProgress
        time.sleep(_LOOK_EVERY)


def interrupt(upload_id: uuid.UUID) -> Upload:
    """Make every older request let go, so that the offset which is told next stays true; return the upload.

    One that does not let go in time is returned as it is. Raises UploadUnknown or StoreUnavailable.
    """
    Upload.objects.filter(id=upload_id).update(retrievals=F("retrievals") + 1)
    upload = _look(upload_id)
    if upload.state != State.RECEIVING:
        return upload
    _raise_hand(upload_id)
    deadline = time.monotonic() + PATIENCE
    while upload.state == State.RECEIVING and time.monotonic() < deadline:
        _make_it_let_go(upload)
        time.sleep(_LOOK_EVERY)
        upload = _look(upload_id)
    return upload


def _check_order(upload: Upload, retrievals: int | None) -> None:
    """Raises UploadInProgress for a request that is older than the last offset retrieval."""
    if retrievals not in (None, upload.retrievals):
        raise errors.UploadInProgress


def _check_place(upload: Upload) -> None:
    """Raises UploadInProgress for one that stands aside: two that both go on could become two objects of one slot."""
    if upload.stands_aside:
        raise errors.UploadInProgress


def _raise_hand(upload_id: uuid.UUID) -> int:
    with transaction.atomic():
        if not Upload.objects.filter(id=upload_id).update(contender=F("contender") + 1):
            raise errors.UploadUnknown
        return Upload.objects.values_list("contender", flat=True).get(id=upload_id)


def _look(upload_id: uuid.UUID) -> Upload:
    upload = Upload.objects.select_related("grant").filter(id=upload_id).first()
    if upload is None:
        raise errors.UploadUnknown
    return upload


def _make_it_let_go(upload: Upload) -> None:
    """One step towards `waiting`. Raises the Problem of an upload that has ended or is being committed."""
    if upload.state == State.RECEIVING:
        if leases.is_abandoned(upload):
            recover.settle(upload)
        else:
            writers.stop(upload.id, upload.contender)
    elif upload.state == State.COMMITTING:
        if not leases.is_abandoned(upload):
            raise errors.UploadInProgress
        recover.settle(upload)
    elif upload.state != State.WAITING:
        raise errors.of_ended(upload)
