"""One stack whose store is a real file system of its own: ext4 without a journal, which forgets what was not synced.

Its image is a file with holes; what the kernel has not written to it is in memory alone, as on a machine that may lose its power.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dev.postgres import Server
from dev.stack import Stack
from tests.mounts import remount

_SIZE = 2 << 30  # bytes, of a file with holes
_INODES = 20_000
ROUNDS = 150  # what fits
_LIES = Path(__file__).parent / "lies"


class Disk:
    """The store's file system at `folder`: mounted, unmounted, frozen, losing its power. Needs root."""

    def __init__(self, folder: Path):
        self.folder, self._image, self._device = folder, folder.with_name("disk.img"), None
        folder.mkdir(parents=True, exist_ok=True)
        with self._image.open("wb") as file:
            file.truncate(_SIZE)
        lazily = "lazy_itable_init=1,nodiscard"
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(_INODES), "-O", "^has_journal", "-E", lazily, str(self._image))

    def mount(self) -> None:
        if self._device is None:
            self._device = _run("losetup", "--find", "--show", str(self._image))
        _run("mount", "-t", "ext4", self._device, str(self.folder))

    def unmount(self) -> None:
        """Also under whoever has files open: these see it on, everybody else the empty folder below."""
        _run("umount", "-l", str(self.folder))

    def freeze(self) -> None:
        """Every write waits until `thaw`."""
        _run("fsfreeze", "-f", str(self.folder))

    def thaw(self) -> None:
        _run("fsfreeze", "-u", str(self.folder))

    def remount(self, option: str) -> None:
        """"ro" fails where somebody writes. Raises CalledProcessError."""
        remount(self.folder, option)

    def sync(self) -> None:
        """Write everything out, so that what may be lost is of this round. Without a journal, an inode or a block of a file that earlier
        faults removed may otherwise belong to two files for `e2fsck`, which then takes it from the wrong one.
        """
        _run("sync", "-f", str(self.folder))

    def lose_power(self) -> None:
        """Forget what was not written to the disk. Nobody may have it open."""
        kept = self._image.with_name("kept.img")
        # Read through the file below: what ext4 has in memory is not in it.
        _run("cp", "--sparse=always", str(self._image), str(kept))
        self.close()
        kept.replace(self._image)
        done = subprocess.run(["e2fsck", "-fy", str(self._image)], capture_output=True, check=False)
        if done.returncode > 2:  # 1 and 2: mended
            raise RuntimeError(f"e2fsck could not mend it ({done.returncode})")
        self.mount()

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            _run("umount", str(self.folder))
        if self._device is not None:
            _run("losetup", "--detach", self._device)
            self._device = None


class Ground:
    """`stack`, its `disk` (None without root: its store is then a folder) and the PostgreSQL `server` under it, or None."""

    def __init__(self, stack: Stack, disk: Disk | None, server: Server | None):
        self.stack, self.disk, self.server, self.rounds = stack, disk, server, 0


@contextlib.contextmanager
def ground(*, postgresql: bool = False, lie: str = "") -> Iterator[Ground]:
    """One that runs, for the length of a `with` block; its services tier tells this `lie`. Raises Missing and StartFailed."""
    env = {}
    with contextlib.ExitStack() as cleanup:
        folder = Path(tempfile.mkdtemp(prefix="sluice-faults-"))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        server = cleanup.enter_context(Server()) if postgresql else None
        if server:
            for name, database in {"web_app": "web", "uploads": "services", "control": "services"}.items():
                env.setdefault(name, {})["DATABASE_URL"] = server.url(database)
        disk = None
        if os.geteuid() == 0:
            disk = Disk(folder / "nas")
            cleanup.callback(disk.close)
            disk.mount()
        for name in ("uploads", "control"):
            env.setdefault(name, {})["UPLOAD_INODE_RESERVE"] = "0"
            if lie:
                env[name] |= {"PYTHONPATH": str(_LIES), "SLUICE_LIE": lie}
        yield Ground(cleanup.enter_context(Stack(folder, env=env)), disk, server)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
