"""Would the store take something now? Asked by readiness and at the door, before anybody sends a body.

Whether it is there and has room is looked at every time. What storing does is tried in small (probe.py), in the store and in the
one collection that is asked for, and a success is believed for some seconds; that one collection takes nothing, for a moment. All
of it runs in a thread of its own, since a store that stalls lets nobody go: whoever asks waits for PATIENCE only, and all who ask
the same at once share one answer. Whoever asks for one collection does not wait for a look at all of them.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from . import folders, probe
from .errors import StoreError, StoreFull, StoreUnavailable, from_os_error
from .sentinel import COLLECTIONS

log = logging.getLogger("sluice.store")

BELIEVED_FOR = 5.0  # seconds
REFUSED_FOR = 1.0  # seconds: what was mended is to show soon
PATIENCE = 3.0  # seconds
INODES_NEEDED = 8  # one upload: its staged file, year, month and folder, manifest; and some room

_AT_ONCE = 16  # collections that are tried before whoever asks for one of them gets an answer
_UNTOLD = 1 << 62  # some servers answer -1 where they do not count


@dataclass(frozen=True, slots=True)
class Health:
    """`free_bytes` of this user; `free_inodes` None where the file system counts none; `failing`: of the
    collections that were asked for those that take nothing, and why; `full`: why not even the little that was tried found room.
    """

    free_bytes: int
    free_inodes: int | None
    failing: dict[str, StoreError] = field(default_factory=dict)
    full: StoreFull | None = None

    def has_inodes(self, reserve: int = 0) -> bool:
        """For one upload, with a `reserve` left to others."""
        return self.free_inodes is None or self.free_inodes >= INODES_NEEDED + reserve


def free_inodes(space: os.statvfs_result) -> int | None:
    """Those of this user; None where the file system counts none."""
    return space.f_favail if 0 < space.f_files < _UNTOLD else None


class _Ask:
    """What one collection's senders wait for, or who asks for all."""

    def __init__(self):
        self.done, self.answer = threading.Event(), None


@dataclass(frozen=True, slots=True)
class _Tried:
    at: float  # by the monotonic clock
    error: StoreError | None = None

    @property
    def counts(self) -> bool:
        return time.monotonic() - self.at <= (BELIEVED_FOR if self.error is None else min(REFUSED_FOR, BELIEVED_FOR))


_NEVER = _Tried(float("-inf"))


class Checkup:
    """Of one store. `mounted` is LocalFileSystemStorage.mounted. Without `tries` it is looked at only."""

    def __init__(self, mounted: Callable[[], contextlib.AbstractContextManager[int]], *, tries: bool = True):
        self._mounted, self._tries, self._lock = mounted, tries, threading.Lock()
        self._asks: dict[str | None, _Ask] = {}  # by the collection, None for all of them
        self._is_running, self._moved = False, 0.0
        self._store, self._swept = _NEVER, False
        self._collections: dict[str, _Tried] = {}
        self._full: StoreFull | None = None
        self._told = ""

    def health(self, collection: str | None = None) -> Health:
        """Of the store with this collection, or with all of them. Raises StoreUnavailable, whose text names the errno and the step."""
        came = time.monotonic()
        with self._lock:
            ask = self._asks.setdefault(collection, _Ask())
            if not self._is_running:
                try:
                    threading.Thread(target=self._answer_all, name="sluice-checkup", daemon=True).start()
                except RuntimeError as exc:  # whoever asks next begins one
                    raise StoreUnavailable("no thread") from exc
                self._is_running, self._moved = True, came
        # Who asks later waits for what is left: of a store that stalls everybody is told at once.
        while not ask.done.wait(max(0.0, min(came, self._moved) + PATIENCE - time.monotonic())):
            if time.monotonic() >= min(came, self._moved) + PATIENCE:
                self._tell("stalled")
                raise StoreUnavailable("stalled")
        if isinstance(ask.answer, StoreError):
            raise type(ask.answer)(*ask.answer.args) from ask.answer  # one of its own for each who asks
        return ask.answer

    def _answer_all(self) -> None:
        while True:
            self._answer_each()
            with self._lock:
                if not self._asks:
                    self._is_running = False
                    return
                is_for_all = None in self._asks
            if is_for_all:
                self._answer(None)

    def _answer_each(self) -> None:
        """Those who ask for one collection."""
        while True:
            with self._lock:
                collection = next((asked for asked in self._asks if asked is not None), None)
            if collection is None:
                return
            self._answer(collection)

    def _answer(self, collection: str | None) -> None:
        try:
            with self._mounted() as root_fd:
                answer = self._look(root_fd, collection)
            failing = (f"{place}: {tried.error}" for place, tried in sorted(self._collections.items()) if tried.error)
            self._tell(str(self._full or ", ".join(failing)))
        except StoreError as exc:
            answer = exc
            self._tell(str(exc) or "absent")
        except Exception as exc:
            log.error("checkup failed", exc_info=True)
            answer = StoreUnavailable(type(exc).__name__)
        with self._lock:
            ask, self._moved = self._asks.pop(collection), time.monotonic()
        ask.answer = answer
        ask.done.set()

    def _tell(self, cause: str) -> None:
        """Log a change, once."""
        before, self._told = self._told, cause
        if cause and cause != before:
            log.error("store failing", extra={"cause": cause})
        elif before and not cause:
            log.info("store works again", extra={"cause": before})

    def _look(self, root_fd: int, collection: str | None) -> Health:
        if self._tries:
            try:
                self._try(root_fd, collection)
            except OSError as exc:
                raise from_os_error(exc) from exc
        try:
            space = os.fstatvfs(root_fd)
        except OSError as exc:
            raise from_os_error(exc) from exc
        asked = self._collections if collection is None else {collection: self._collections.get(collection, _NEVER)}
        failing = {place: tried.error for place, tried in asked.items() if tried.error}
        return Health(space.f_bavail * space.f_frsize, free_inodes(space), failing, self._full)

    def _try(self, root_fd: int, collection: str | None) -> None:
        """Raises StoreUnavailable, OSError."""
        if collection is None:
            self._try_all(root_fd)
        else:
            # What is no folder is not tried, since that could write behind a link; the store looks at it (nas.py).
            self._try_these(root_fd, [collection] if folders.is_folder(root_fd, f"{COLLECTIONS}/{collection}") else [])
        if not self._swept and self._full is None:
            probe.sweep(root_fd, folders.named(root_fd, COLLECTIONS, folders.SLUG))
            self._swept = True

    def _try_all(self, root_fd: int) -> None:
        places = folders.named(root_fd, COLLECTIONS, folders.SLUG)
        obstacles = {place: _Tried(float("-inf"), _error(exc)) for place, exc in probe.obstacles(root_fd).items()}
        self._collections = {place: self._collections[place] for place in places if place in self._collections} | obstacles
        self._try_these(root_fd, places[:_AT_ONCE])
        for begin in range(_AT_ONCE, len(places), _AT_ONCE):
            self._answer_each()
            self._try_these(root_fd, places[begin : begin + _AT_ONCE])

    def _try_these(self, root_fd: int, places: list[str]) -> None:
        places = [place for place in places if not self._collections.get(place, _NEVER).counts]
        if self._store.counts and not places:
            return
        self._store = _NEVER  # of the store only a success counts
        try:
            failing = probe.attempt(root_fd, places)
        except probe.ProbeFailed as exc:
            error = _error(exc)
            if not isinstance(error, StoreFull):
                raise error from exc
            self._full = error
            return
        now = time.monotonic()
        self._full, self._store, self._moved = None, _Tried(now), now
        for place in places:
            self._collections[place] = _Tried(now, _error(failing[place]) if place in failing else None)


def _error(failed: probe.ProbeFailed) -> StoreError:
    return type(failed.error)(str(failed))
