"""Who may hold a place, of those that all share? (ADR 0026)

A person may hold half of what the others leave, and always one. Whoever is alone gets a lot and never the last place; each one who
comes gets one as long as any is free.

How many are held on all hosts is asked of the database, at the door and where an upload begins. Appends that come at the same moment
would all see the same number there, so a process counts those of its own besides, before each of them begins.
"""

import contextlib
import threading
import uuid
from collections import Counter
from collections.abc import Iterator

from django.conf import settings

from services_app.uploads import errors

SCARCE = 3 / 4  # of all places; from then on every sender has to hurry (wire/pace.py)


def share(limit: int, others: int) -> int:
    """How many places of `limit` a person may hold while all others hold `others`."""
    return max(1, (limit - others) // 2)


def are_scarce(held: int) -> bool:
    """Whether others may be waiting for a place while so many are held. Whoever is alone is in nobody's way."""
    return held >= max(2, SCARCE * settings.UPLOAD_MAX_CONCURRENT)


def check(own: int, others: int) -> None:
    """May a person who holds `own` places have one more? Raises Busy, or ShareTaken."""
    limit = settings.UPLOAD_MAX_CONCURRENT
    if own + others >= limit:
        raise errors.Busy
    if own >= share(limit, others):
        raise errors.ShareTaken


class Places:
    """Those of this process: who writes which upload. Several requests for one upload, as in a takeover, hold one."""

    def __init__(self):
        self.are_scarce = False  # on all hosts: the watcher says so (writers.py)
        self._lock = threading.Lock()
        self._held: Counter[tuple[str, uuid.UUID]] = Counter()

    @contextlib.contextmanager
    def held(self, sub: str, upload_id: uuid.UUID, *, is_granted: bool = False) -> Iterator[None]:
        """A place of this person for the length of a `with` block. Raises as `check`, unless it `is_granted` already."""
        place = (sub, upload_id)
        with self._lock:
            if not is_granted and place not in self._held:
                own = sum(holder == sub for holder, _ in self._held)
                check(own, len(self._held) - own)
            self._held[place] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[place] -= 1
                self._held += Counter()  # drops what is zero


places = Places()
