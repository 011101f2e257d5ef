"""How many bytes of a file may be written and not yet durable? What its disk makes durable in some tens of milliseconds (ADR 0039).

One fdatasync at a time, in a thread beside the one that receives; whoever writes faster than the disk waits for it. So what is left
to sync behind the last byte does not grow with the file, on any file system, and nobody fills the page cache for the others.
"""

import errno
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

SPAN = 0.04  # seconds of the disk's speed that the window holds …
LATENCIES = 8  # … and at least so many times its latency, or a store far away would idle between two syncs
LONGEST_SPAN = 0.5  # seconds, of a store however far away
LEAST, MOST = 4 << 20, 64 << 20  # bytes: so much is always let through, and more never
_FIRST = 1 << 20  # bytes: a small one to begin with, which tells the disk's latency

# Threads begin as they are needed: never more than requests that write, of which each has one sync under way at most.
_syncers = ThreadPoolExecutor(max_workers=4096, thread_name_prefix="sluice-sync")


class Window:
    """Of one open file, used by one thread at a time. After a failed sync, wherever it ran, every call raises that error and nothing
    is synced again: the kernel tells it once, and a second fsync would succeed over lost bytes.
    """

    def __init__(self, fd: int, durable: int):
        """The first `durable` bytes of the file are durable. `stop` must be called before `fd` is closed."""
        self._fd, self.durable, self.room = fd, durable, 2 * LEAST
        self._running: Future[float] | None = None
        self._reaches = durable  # bytes of the file that the running sync, or the last one, makes durable
        self._is_synced = False  # what was cut off as it was opened may come back until then
        self._failed: OSError | None = None
        self._using, self._is_stopped = threading.Lock(), False  # the descriptor, by a sync beside us
        self._first: tuple[int, float] | None = None  # bytes and seconds of the first sync
        self._speed = self._best = 0.0  # bytes a second: of late, and at most

    def wrote(self, size: int, to_come: int | None = None) -> None:
        """The file holds `size` bytes by now, and is to get so many more if that is known. Returns when there is room for more. Raises
        OSError.
        """
        while True:
            self._check()
            is_full = size - self.durable > self.room
            if self._running is not None:
                if not is_full and not self._running.done():
                    return
                self._collect()
            elif is_full or self._is_due(size, to_come):
                self._begin(size)
            else:
                return

    def sync(self, size: int) -> None:
        """Make all `size` bytes durable that the file holds. Raises OSError; give the file up then."""
        self._check()
        if self._running is not None:
            self._collect()
        if self.durable < size or not self._is_synced:
            try:
                os.fsync(self._fd)
            except OSError as exc:
                self._failed = exc
                raise
            self.durable, self._is_synced = size, True

    def stop(self) -> None:
        """Returns when nothing uses the descriptor, and nothing will. What became of the last sync is of no interest then."""
        with self._using:
            self._is_stopped = True

    def _is_due(self, size: int, to_come: int | None) -> bool:
        """What comes behind the last half of a window is left to the sync that its sender waits for: one wait and not two."""
        half = self.room // 2
        return size - self.durable >= (half if self._first else _FIRST) and (to_come is None or to_come >= half)

    def _check(self) -> None:
        if self._failed is not None:
            raise OSError(*self._failed.args) from self._failed

    def _begin(self, size: int) -> None:
        self._reaches = size
        try:
            self._running = _syncers.submit(self._synced)
        except RuntimeError as exc:
            # No more threads. It may be done all the same by another one, and its error would then be told to nobody.
            self._failed = OSError(errno.EAGAIN, "no thread")
            raise self._failed from exc

    def _synced(self) -> float:
        """Seconds that it took."""
        with self._using:
            began = time.monotonic()
            if not self._is_stopped:
                os.fdatasync(self._fd)
            return max(time.monotonic() - began, 1e-6)

    def _collect(self) -> None:
        """Wait for the running sync, believe it, and learn from it."""
        try:
            took = self._running.result()
        except OSError as exc:
            self._failed, self._running = exc, None
            raise
        self._running, self._is_synced = None, True
        self._learn(self._reaches - self.durable, took)
        self.durable = self._reaches

    def _learn(self, count: int, took: float) -> None:
        """What the first sync, a small one, took beyond its bytes at the best speed is latency."""
        speed = count / took
        self._first, self._best = self._first or (count, took), max(self._best, speed)
        self._speed = (self._speed + speed) / 2 if self._speed else speed
        latency = self._first[1] - self._first[0] / self._best
        span = min(max(SPAN, LATENCIES * latency), LONGEST_SPAN)
        self.room = min(max(int(self._speed * span), LEAST), MOST)
