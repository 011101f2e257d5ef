"""Would the store take something now? Asked by readiness and at the door, before anybody sends a body.

Whether it is there and has room is looked at every time. What storing does is tried in small (probe.py), and a success is
believed for some seconds. All of it runs in a thread of its own, since a store that stalls lets nobody go: whoever asks
waits for PATIENCE only, and all who ask at once share one answer.
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
PATIENCE = 3.0  # seconds
INODES_NEEDED = 8  # one upload: its staged file, year, month and folder, manifest; and some room

_UNTOLD = 1 << 62  # some servers answer -1 where they do not count


@dataclass(frozen=True, slots=True)
class Health:
    """`free_bytes` of this user; `free_inodes` None where the file system counts none; `failing`: collections that take
    nothing, and why; `full`: why not even the little that was tried found room.
    """

    free_bytes: int
    free_inodes: int | None
    failing: dict[str, StoreError] = field(default_factory=dict)
    full: StoreFull | None = None

    @property
    def has_inodes(self) -> bool:
        return self.free_inodes is None or self.free_inodes >= INODES_NEEDED


class _Run:
    def __init__(self):
        self.done, self.health, self.error = threading.Event(), None, None


class Checkup:
    """Of one store. `mounted` is LocalFileSystemStorage.mounted. Without `tries` it is looked at only."""

    def __init__(self, mounted: Callable[[], contextlib.AbstractContextManager[int]], *, tries: bool = True):
        self._mounted, self._tries, self._lock = mounted, tries, threading.Lock()
        self._run: _Run | None = None
        self._tried_at, self._swept = float("-inf"), False
        self._failing: dict[str, StoreError] = {}
        self._full: StoreFull | None = None
        self._told = ""

    def health(self) -> Health:
        """Raises StoreUnavailable or Unstorable, whose text names the errno and the step."""
        with self._lock:
            run = self._run
            if run is None:
                run = self._run = _Run()
                threading.Thread(target=self._examine, args=(run,), name="sluice-checkup", daemon=True).start()
        if not run.done.wait(PATIENCE):
            self._tell("stalled")
            raise StoreUnavailable("stalled")
        if run.error is not None:
            raise type(run.error)(*run.error.args) from run.error  # one of its own for each who asks
        return run.health

    def _examine(self, run: _Run) -> None:
        try:
            with self._mounted() as root_fd:
                run.health = self._look(root_fd)
            failing = (f"{place}: {cause}" for place, cause in self._failing.items())
            self._tell(str(self._full or ", ".join(failing)))
        except StoreError as exc:
            run.error = exc
            self._tell(str(exc) or "absent")
        except Exception as exc:
            log.error("checkup failed", exc_info=True)
            run.error = StoreUnavailable(type(exc).__name__)
        finally:
            with self._lock:
                self._run = None
            run.done.set()

    def _tell(self, cause: str) -> None:
        """Log a change, once."""
        before, self._told = self._told, cause
        if cause and cause != before:
            log.error("store failing", extra={"cause": cause})
        elif before and not cause:
            log.info("store works again", extra={"cause": before})

    def _look(self, root_fd: int) -> Health:
        if self._tries and time.monotonic() - self._tried_at > BELIEVED_FOR:
            self._try(root_fd)
        try:
            space = os.fstatvfs(root_fd)
        except OSError as exc:
            raise from_os_error(exc) from exc
        counted = 0 < space.f_files < _UNTOLD
        return Health(space.f_bavail * space.f_frsize, space.f_favail if counted else None, self._failing, self._full)

    def _try(self, root_fd: int) -> None:
        self._tried_at = float("-inf")  # only a success counts, and what was mended is to show at once
        try:
            places = folders.named(root_fd, COLLECTIONS, folders.SLUG)
            failing = probe.attempt(root_fd, places)
            if not self._swept:
                probe.sweep(root_fd, places)
        except probe.ProbeFailed as exc:
            error = type(exc.error)(str(exc))
            if not isinstance(error, StoreFull):
                raise error from exc
            self._full = error
            return
        except OSError as exc:
            raise from_os_error(exc) from exc
        self._full, self._swept = None, True
        self._failing = {place: type(exc.error)(str(exc)) for place, exc in failing.items()}
        if not failing:
            self._tried_at = time.monotonic()
