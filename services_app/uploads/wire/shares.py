"""The control listener's threads and its time are shared by person (ADR 0026)."""

import contextlib
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator

from django.conf import settings

from services_app.uploads import errors
from services_app.uploads.ownership.places import share

_PERSONS = 10_000  # of whom we know how much they asked lately; of the rest nothing is held against anybody


class Shares:
    """What takes its time, as a look at contents or a wait for another request to let go: half of the threads may be in it, and of
    those one person has half of what the others leave.
    """

    def __init__(self):
        self._lock, self._held = threading.Lock(), Counter()

    @contextlib.contextmanager
    def held(self, sub: str) -> Iterator[None]:
        """One of them for the length of a `with` block. Raises Busy or ShareTaken."""
        with self._lock:
            own, others = self._held[sub], self._held.total() - self._held[sub]
            limit = max(1, settings.CONTROL_THREADS // 2)
            if own + others >= limit:
                raise errors.Busy
            if own >= share(limit, others):
                raise errors.ShareTaken
            self._held[sub] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[sub] -= 1
                self._held += Counter()  # drops what is zero


class Questions:
    """How many a person may ask a second, from however many addresses: nginx counts by address only (snippets/limits.conf (1)).

    Each has an allowance of BURST seconds' worth, which fills up again by itself.
    """

    BURST = 4  # seconds

    def __init__(self):
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # sub → (what was left, when); who asked last is last

    def ask(self, sub: str) -> None:
        """Raises ShareTaken."""
        rate = settings.QUESTIONS_PER_PERSON
        if not rate:
            return
        now, full = time.monotonic(), rate * self.BURST
        with self._lock:
            left, at = self._left.pop(sub, (full, now))
            left = min(full, left + (now - at) * rate)
            self._left[sub] = (max(left - 1, 0.0), now)
            if len(self._left) > _PERSONS:
                self._left.popitem(last=False)
        if left < 1:
            raise errors.ShareTaken


unhurried, questions = Shares(), Questions()
