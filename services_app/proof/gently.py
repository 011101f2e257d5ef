"""Reading for days beside people who wait: behind everybody else for CPU and disk, at a rate, and out of the page cache again."""

import contextlib
import ctypes
import hashlib
import os
import platform
import time
from collections.abc import Callable

_PIECE = 1 << 20  # bytes
_FORGET_EVERY = 8 << 20  # bytes
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}  # linux: asm/unistd.h
_IDLE = 3 << 13  # ioprio_set(2): IOPRIO_CLASS_IDLE


def step_back() -> None:
    """This process gets what the others leave. What the system does not allow is no matter."""
    with contextlib.suppress(OSError):
        os.nice(10)
    if call := _IOPRIO_SET.get(platform.machine()):
        ctypes.CDLL(None).syscall(call, 1, 0, _IDLE)


class Pace:
    """At most `rate` bytes a second, 0 for no bound."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep):
        self.spent, self._rate, self._clock, self._sleep = 0, rate, clock, sleep
        self._free_at = clock()

    def spend(self, count: int) -> None:
        self.spent += count
        if self._rate:
            now = self._clock()
            self._free_at = max(now, self._free_at) + count / self._rate
            self._sleep(self._free_at - now)


def sha256(fd: int, pace: Pace) -> str:
    """Of a file, read from the store and not from what this host remembers of it. Raises OSError."""
    digest, done, forgotten = hashlib.sha256(), 0, 0
    _forget(fd, 0, 0)
    while piece := os.pread(fd, _PIECE, done):
        digest.update(piece)
        done += len(piece)
        if done - forgotten >= _FORGET_EVERY:
            _forget(fd, forgotten, done - forgotten)
            forgotten = done
        pace.spend(len(piece))
    _forget(fd, 0, 0)
    return digest.hexdigest()


def _forget(fd: int, offset: int, count: int) -> None:
    with contextlib.suppress(OSError):
        os.posix_fadvise(fd, offset, count, os.POSIX_FADV_DONTNEED)
