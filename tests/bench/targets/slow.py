"""The same on a disk that is slower than the line (tests/slow_disk.py)."""

import contextlib
from abc import abstractmethod
from pathlib import Path

from tests.bench import ground
from tests.bench.targets.base import MIB, Target
from tests.bench.targets.dav import DavDurable
from tests.bench.targets.sluice import Sluice
from tests.slow_disk import CannotThrottle, slow_disk

RATE = 150 * MIB  # bytes a second


class _OnASlowDisk(Target):
    _disk: contextlib.ExitStack

    @abstractmethod
    def _root(self) -> Path:
        """The folder that is the disk."""

    def start(self) -> None:
        self._disk = contextlib.ExitStack()
        try:
            self._disk.enter_context(slow_disk(self._root(), RATE))
        except CannotThrottle as why:
            raise ground.Unavailable(str(why)) from why
        super().start()

    def stop(self) -> None:
        try:
            super().stop()
        finally:
            self._disk.close()


class SluiceOnASlowDisk(_OnASlowDisk, Sluice):
    name = "sluice-slow-disk"

    def _root(self) -> Path:
        return self._stack.nas


class SmallOnASlowDisk(SluiceOnASlowDisk):
    """What its tail is compared with."""

    name = "sluice-slow-disk-64"
    size = 64 * MIB


class DavOnASlowDisk(_OnASlowDisk, DavDurable):
    name = "dav-durable-slow-disk"

    def _root(self) -> Path:
        return self.folder / "store"
