"""Which files are made or written meanwhile, by inotify: a second witness; sees what is unlinked at once."""

import ctypes
import os
import struct
from pathlib import Path

IN_MODIFY, IN_MOVED_TO, IN_CREATE, IN_ISDIR = 0x2, 0x80, 0x100, 0x40000000
EVENT = struct.Struct("iIII")


class Watch:
    """Watches folders and what lies below them; folders made later are added when events are read."""

    def __init__(self, folders: list[Path]):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._handle = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._handle < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders: dict[int, Path] = {}
        for folder in folders:
            self._add(folder)

    def touched(self) -> dict[Path, int]:
        """Path → events since the last call."""
        counts: dict[Path, int] = {}
        while data := self._read():
            at = 0
            while at < len(data):
                watch, mask, _, length = EVENT.unpack_from(data, at)
                name = os.fsdecode(data[at + EVENT.size : at + EVENT.size + length].rstrip(b"\0"))
                at += EVENT.size + length
                path = self._folders.get(watch, Path("?")) / name
                if mask & IN_ISDIR:
                    self._add(path)
                else:
                    counts[path] = counts.get(path, 0) + 1
        return counts

    def close(self) -> None:
        os.close(self._handle)

    def _read(self) -> bytes:
        try:
            return os.read(self._handle, 1 << 16)
        except BlockingIOError:
            return b""

    def _add(self, folder: Path) -> None:
        for place, _, _ in os.walk(folder):
            watch = self._libc.inotify_add_watch(self._handle, os.fsencode(place), IN_MODIFY | IN_CREATE | IN_MOVED_TO)
            if watch >= 0:
                self._folders[watch] = Path(place)
