"""Connections to a database that are lent to the threads that need one now (ADR 0019)."""

import threading
import time
from collections import deque

KEEP = 60.0  # seconds that one waits for the next thread


class Lent:
    """At most `most` connections to one database, each for one thread at a time. What differs by database its backend says."""

    wait: float  # seconds until somebody must have given one back
    unavailable: type[Exception]  # what a thread is told otherwise

    def __init__(self, most: int):
        self._places, self._lock = threading.BoundedSemaphore(most), threading.Lock()
        self._idle: deque = deque()  # since when, and the connection; oldest first

    def is_at_rest(self, connection) -> bool:
        """Whether the next thread can use it: one in the middle of something, or broken, is of no use to anybody."""
        raise NotImplementedError

    def lives(self, connection) -> bool:
        """Whether its server has not ended it meanwhile."""
        raise NotImplementedError

    def take(self, connect):
        """One that lives, made by `connect` if need be. Raises `unavailable` when none is given back in time."""
        if not self._places.acquire(timeout=self.wait):
            raise self.unavailable("every connection of this process is in use")
        try:
            return self._living() or connect()
        except BaseException:
            self._places.release()
            raise

    def give_back(self, connection) -> None:
        try:
            if not self.is_at_rest(connection):
                connection.close()
                return
            now = time.monotonic()
            with self._lock:
                self._idle.append((now, connection))
                stale = [self._idle.popleft() for _ in range(sum(since < now - KEEP for since, _ in self._idle))]
            for _, unused in stale:
                unused.close()
        finally:
            self._places.release()

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, deque()
        for _, connection in idle:
            connection.close()

    def _living(self):
        with self._lock:
            newest = self._idle.pop()[1] if self._idle else None
        if newest is None or self.lives(newest):
            return newest
        # The server ended it. Then it ended the older ones as well.
        newest.close()
        self._close_idle()
        return None
