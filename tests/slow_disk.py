"""A real file system on a disk that writes so many bytes a second: ext4 on a loop device that the kernel throttles.

Reads and the page cache are as fast as ever. So what was written and not yet synced costs its time at the end, as on a NAS.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.mounts import mounted

# cgroup v1: throttles the device for everybody, whichever cgroup the kernel writes back for. (cgroup v2 has no such file for the root.)
_THROTTLE = Path("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device")
_SIZE = 6 << 30  # bytes, of a file with holes


class CannotThrottle(Exception):
    """This machine cannot make a disk slow; the text says why."""


@contextlib.contextmanager
def slow_disk(folder: Path, rate: int) -> Iterator[Path]:
    """Such a disk, mounted at `folder` and empty, for the length of a `with` block. `rate`: bytes a second. Raises CannotThrottle."""
    if os.geteuid() != 0:
        raise CannotThrottle("a slow disk needs root, to mount one")
    if not _THROTTLE.exists():
        raise CannotThrottle(f"no {_THROTTLE.name} here: the kernel throttles no device for all")
    image = folder.with_name(f"{folder.name}.img")
    image.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(image.unlink, missing_ok=True)
        with image.open("wb") as file:
            file.truncate(_SIZE)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", str(image))
        # Past the page cache of the disk below, which would only be a second one.
        device = _run("losetup", "--find", "--show", "--direct-io=on", str(image))
        cleanup.callback(_run, "losetup", "--detach", device)
        found = os.stat(device).st_rdev
        number = f"{os.major(found)}:{os.minor(found)}"
        cleanup.enter_context(mounted(folder, kind="ext4", source=device))
        _THROTTLE.write_text(f"{number} {rate}")
        cleanup.callback(_THROTTLE.write_text, f"{number} 0")
        yield folder


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
