"""So many threads of a process may wait for the store, and no more: the others are there for what needs none (ADR 0026)."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator

from .errors import StoreUnavailable

STALLED = 1.0  # seconds after which a call that has not come back says that the store stalls


class Bulkhead:
    """Lets `most` threads through. While the store answers the others wait for their turns, who came first goes first; once it stalls
    they are told at once.
    """

    def __init__(self, most: int):
        self._most, self._turn, self._mine = most, threading.Condition(), threading.local()
        self._inside: dict[int, float] = {}  # thread → when it went in; the oldest first
        self._waiting: deque[int] = deque()  # threads

    @contextlib.contextmanager
    def passed(self) -> Iterator[None]:
        """For the length of a `with` block; one within another needs no second turn. Raises StoreUnavailable."""
        if getattr(self._mine, "inside", False):
            yield
            return
        me = threading.get_ident()
        with self._turn:
            self._await_turn(me)
            self._inside[me] = time.monotonic()
        self._mine.inside = True
        try:
            yield
        finally:
            self._mine.inside = False
            with self._turn:
                del self._inside[me]
                self._turn.notify_all()

    def _await_turn(self, me: int) -> None:
        """How long that takes is no sign of a store that stalls: only how long one call has been inside is."""
        self._waiting.append(me)
        try:
            while (is_full := len(self._inside) >= self._most) or self._waiting[0] != me:
                patience = self._patience() if is_full else STALLED
                if not patience:
                    raise StoreUnavailable("stalled")
                self._turn.wait(patience)
        finally:
            self._waiting.remove(me)
            self._turn.notify_all()

    def _patience(self) -> float:
        """Seconds until the oldest call inside would count as stalled."""
        oldest = next(iter(self._inside.values()), time.monotonic())
        return max(0.0, oldest + STALLED - time.monotonic())
