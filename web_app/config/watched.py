"""Keys and certificates that are taken up while the process runs (ADR 0021). services_app has its own copy.

Looked at by time and not by a signal: that works in every process, under every supervisor, however the file got there.
"""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

LOOK_EVERY = 2.0  # seconds

logger = logging.getLogger(__name__)

_all: "weakref.WeakSet[Watched]" = weakref.WeakSet()


class Watched(Generic[T]):
    """What `load` makes of the files that `paths` names, made anew when one of them has changed.

    What cannot be loaded is refused, logged once under `name`, and what there was is kept; so is what cannot be read for a moment.
    """

    def __init__(self, name: str, paths: Callable[[], Iterable[str | Path]], load: Callable[[], T]):
        self.name, self._paths, self._load = name, paths, load
        self._lock = threading.Lock()
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """As if nothing had been loaded yet."""
        self._loaded: tuple[T] | None = None
        self._seen: tuple = ()
        self._next_look = float("-inf")
        self.is_refused = False

    def __call__(self) -> T:
        """The newest that is good. Raises what `load` raises when there never was one."""
        if self._loaded is None:
            with self._lock:
                self._look()
        # One thread looks, and the others go on with what there is.
        elif time.monotonic() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._loaded[0]

    def look_now(self) -> None:
        """The next call looks, whenever the last one was. Safe in a signal handler."""
        self._next_look = float("-inf")

    def _look(self) -> None:
        if self._loaded is not None and time.monotonic() < self._next_look:
            return  # somebody else has just looked
        # Taken before it is read: what changes while it is read is another change, and seen by the next look.
        seen = tuple(_identity(path) for path in self._paths())
        # What was refused is tried again: perhaps it could only not be read for a moment.
        if self._loaded is None or self.is_refused or seen != self._seen:
            self._take_up(is_new=seen != self._seen)
        self._seen, self._next_look = seen, time.monotonic() + LOOK_EVERY

    def _take_up(self, *, is_new: bool) -> None:
        first = self._loaded is None
        try:
            self._loaded = (self._load(),)
        except Exception as exc:
            if first:
                raise
            if is_new:
                # Neither the error's text nor the path: they quote what they were given.
                logger.error("changed_file_refused", extra={"file": self.name, "reason": type(exc).__name__})
            self.is_refused = True
            return
        if not first:
            logger.info("changed_file_taken_up", extra={"file": self.name})
        self.is_refused = False


def refused() -> list[str]:
    """The names of those whose files were changed into something that is of no use. Looks at all that are in use here."""
    for watched in list(_all):
        if watched._loaded is not None:
            watched()
    return sorted({watched.name for watched in list(_all) if watched.is_refused})


def load_all() -> None:
    """At the start, after the checks: a file that turns bad before it is first used finds a good one in its place."""
    for watched in list(_all):
        watched()


def look_now() -> None:
    for watched in list(_all):
        watched.look_now()


def _identity(path: str | Path) -> tuple | None:
    """Differs once the file has changed or another one stands in its place, behind links too."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
