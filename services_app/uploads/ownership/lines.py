"""Where do a person's requests wait for each other? Before they hold a connection (ADR 0019, ADR 0026).

Those of one person, or grant, that change what they share take turns (config/turns.py), which on PostgreSQL is a lock that a
connection waits for. Connections are few, and everybody's. So of each line one request of this process waits there, and those behind it
wait here.
"""

import contextlib
import threading
import uuid
from collections import Counter
from collections.abc import Iterator

from django.conf import settings
from django.db import OperationalError, connection, transaction

from services_app.config import connections, turns
from services_app.uploads import errors

from .places import share

WAIT = 10.0  # seconds, as long as the database lets one wait for a lock

_lock = threading.Lock()
_first: dict[str, threading.RLock] = {}
_standing: Counter[str] = Counter()  # first ones too


@contextlib.contextmanager
def transaction_of(turn: turns.Turn, of: uuid.UUID | str, *, has_place: bool = False) -> Iterator[None]:
    """A transaction that has this turn. Of those who hold no place yet (`has_place`) half of the threads may stand in lines, shared by
    person. Raises Busy or ShareTaken, or OperationalError where it takes too long.
    """
    if connection.vendor != "postgresql":  # which lends none
        with transaction.atomic():
            turns.take(turn, of)
            yield
        return
    connections.give_back()
    with _stand(f"{turn}/{of}", is_bounded=not has_place), transaction.atomic():
        turns.take(turn, of)
        yield


@contextlib.contextmanager
def _stand(line: str, *, is_bounded: bool) -> Iterator[None]:
    with _lock:
        if is_bounded:
            _check(line)
        first = _first.setdefault(line, threading.RLock())
        _standing[line] += 1
    try:
        if not first.acquire(timeout=WAIT):
            raise OperationalError("too long in a line")
        try:
            yield
        finally:
            first.release()
    finally:
        with _lock:
            _standing[line] -= 1
            if not _standing[line]:
                del _standing[line], _first[line]


def _check(line: str) -> None:
    own = _standing[line]
    others = _standing.total() - own
    limit = settings.UPLOAD_MAX_CONCURRENT if settings.LISTENER == "uploads" else settings.CONTROL_THREADS // 2
    if own + others >= limit:
        raise errors.Busy
    if own >= share(limit, others):
        raise errors.ShareTaken
