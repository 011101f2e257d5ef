"""One set of numbers for all processes of this tier on this host (ADR 0030).

Both listeners, an old uploads listener that finishes its bodies beside its successor, and commands count into files in
METRICS_DIR, in memory. The control listener tells the sum.
"""

import fcntl
import itertools
import logging
import os
import stat
from pathlib import Path

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

log = logging.getLogger("sluice.metrics")

_FILE_BYTES = 1 << 16  # of each file, which the library makes larger where that is not enough


def _usable(folder: Path) -> bool:
    """Made if need be. Others may write beside it: what is not a folder of ours alone is not used."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


class _Slot:
    """The name of this process in its files' names: a number that no living process has. Who comes later goes on with the files of who
    has ended, so there are never more than processes at one time, and nothing that was counted is lost.
    """

    def __init__(self, folder: Path):
        self._folder, self._pid, self._name, self._lock = folder, None, "", -1

    def __call__(self) -> str:
        if self._pid != os.getpid():  # the first time, and behind a fork
            try:
                self._name = next(str(number) for number in itertools.count() if self._takes(number))
            except OSError:
                if not self._name:
                    raise
                return self._name  # of the process that this one comes from: to count is never what a request fails by
            self._pid = os.getpid()
        return self._name

    def _takes(self, number: int) -> bool:
        """Held until this process ends, however it does."""
        lock = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        try:
            for kind in ("counter", "histogram", "gauge_mostrecent"):
                self._make_room(f"{kind}_{number}.db")
        except OSError:
            os.close(lock)
            raise
        self._lock = lock
        return True

    def _make_room(self, name: str) -> None:
        """Now, where it can be refused: a mapped page for which there is no room later would end the process (SIGBUS). Raises OSError."""
        file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, _FILE_BYTES)
        except OSError:
            if not os.fstat(file).st_size:
                os.unlink(self._folder / name)  # an empty one is none, and whoever tells the sum would fail by it
            raise
        finally:
            os.close(file)


def _has_place(slot: _Slot) -> bool:
    try:
        return bool(slot())
    except OSError:
        return False


_slot = _Slot(settings.METRICS_DIR)
IS_SHARED = _usable(settings.METRICS_DIR) and _has_place(_slot)
if IS_SHARED:  # the library takes the folder from the environment, and the class from its own module, for each value anew
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.METRICS_DIR)
    values.ValueClass = values.MultiProcessValue(_slot)
else:
    log.warning("metrics of this process alone")

REGISTRY = CollectorRegistry()  # not the library's own, which adds what it finds out about Python


def told(*collectors) -> bytes:
    """All that was counted, and what `collectors` find now, in Prometheus' text format."""
    registry = CollectorRegistry()
    if IS_SHARED:
        MultiProcessCollector(registry, str(settings.METRICS_DIR))
    else:
        registry.register(REGISTRY)
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


__all__ = ["REGISTRY", "Counter", "Histogram", "told"]
