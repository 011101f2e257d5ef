"""A file system of one test's own that lacks what some network file systems lack, in front of an ordinary folder (FUSE).

    python -m tests.fuse_store MOUNTPOINT FOLDER LACK …
"""

import contextlib
import ctypes
import errno
import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

NO_LINKS, COPIES, NO_NOREPLACE = "no-links", "links-are-copies", "no-noreplace"
FOLDS, COMPOSES, DECOMPOSES, NEW_INODES = "folds-case", "composes", "decomposes", "inodes-by-name"

_NOREPLACE = 1
_ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def fuse_store(mountpoint: Path, *lacks: str) -> Iterator[Path]:
    """Such a file system at `mountpoint`, empty, for the length of a `with` block."""
    from tests.conftest import absent
    from tests.waiting import wait_for

    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        absent("A file system of our own needs root and /dev/fuse.")
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError):
        absent("libfuse is missing.\n  sudo apt install fuse3")
    behind = mountpoint.with_name(f"{mountpoint.name}-behind")
    for folder in (mountpoint, behind):
        folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuse_store", str(mountpoint), str(behind), *lacks]
    process = subprocess.Popen(command, cwd=_ROOT)
    try:
        wait_for(lambda: process.poll() is not None or os.path.ismount(mountpoint))
        if process.poll() is not None:
            absent("FUSE cannot mount here.")
        yield mountpoint
    finally:
        subprocess.run(["umount", "-l", str(mountpoint)], check=False, capture_output=True)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _serve(mountpoint: str, behind: str, lacks: set[str]) -> None:
    import mfusepy

    class Fuse(mfusepy.FUSE):
        def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
            return self.operations.rename_by(old.decode(), new.decode(), flags)

    class Lacking(mfusepy.Operations):
        use_ns = True

        def _real(self, path: str) -> str:
            """Where it lies, under whichever name it was made."""
            found = behind
            for part in filter(None, path.split("/")):
                form = "NFC" if COMPOSES in lacks else "NFD" if DECOMPOSES in lacks else None
                part = unicodedata.normalize(form, part) if form else part
                if FOLDS in lacks and not os.path.lexists(os.path.join(found, part)):
                    with contextlib.suppress(OSError):
                        part = next((each for each in os.listdir(found) if each.lower() == part.lower()), part)
                found = os.path.join(found, part)
            return found

        def getattr(self, path, fh=None):
            found = os.fstat(fh) if fh is not None else os.lstat(self._real(path))
            told = {f"st_{what}": getattr(found, f"st_{what}") for what in ("mode", "ino", "nlink", "uid", "gid", "size", "blocks")}
            return told | {f"st_{what}": getattr(found, f"st_{what}_ns") for what in ("atime", "mtime", "ctime")}

        def readdir(self, path, fh):
            real = self._real(path)
            for name in (".", "..", *os.listdir(real)):
                found = os.lstat(os.path.join(real, name))
                yield name, {"st_ino": found.st_ino, "st_mode": found.st_mode}, 0

        def mkdir(self, path, mode):
            os.mkdir(self._real(path), mode)

        def rmdir(self, path):
            os.rmdir(self._real(path))

        def unlink(self, path):
            os.unlink(self._real(path))

        def symlink(self, target, source):
            os.symlink(source, self._real(target))

        def readlink(self, path):
            return os.readlink(self._real(path))

        def link(self, target, source):
            source, target = self._real(source), self._real(target)
            if NO_LINKS in lacks:
                raise OSError(errno.EPERM, "")
            if COPIES not in lacks:
                os.link(source, target)
                return
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            os.write(fd, Path(source).read_bytes())
            os.close(fd)

        def rename(self, old, new):  # libfuse asks whether there is one
            self.rename_by(old, new, 0)

        def rename_by(self, old, new, flags):
            if flags and (NO_NOREPLACE in lacks or flags != _NOREPLACE):
                raise OSError(errno.EINVAL, "")
            if flags and os.path.lexists(self._real(new)):
                raise OSError(errno.EEXIST, "")
            # The name is kept as it was given, also where only its case changes.
            os.rename(self._real(old), self._real(new))
            return 0

        def chmod(self, path, mode):
            os.chmod(self._real(path), mode)

        def chown(self, path, uid, gid):
            os.chown(self._real(path), uid, gid)

        def utimens(self, path, times=None):
            os.utime(self._real(path), ns=times)

        def truncate(self, path, length, fh=None):
            os.truncate(self._real(path) if fh is None else fh, length)

        def create(self, path, mode, fi=None):
            return os.open(self._real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

        def open(self, path, flags):
            return os.open(self._real(path), flags & (os.O_ACCMODE | os.O_TRUNC))

        def read(self, path, size, offset, fh):
            return os.pread(fh, size, offset)

        def write(self, path, data, offset, fh):
            return os.pwrite(fh, data, offset)

        def flush(self, path, fh):
            return 0

        def fsync(self, path, datasync, fh):
            os.fsync(fh)

        def fsyncdir(self, path, datasync, fh):
            return 0

        def release(self, path, fh):
            os.close(fh)

        def statfs(self, path):
            found = os.statvfs(behind)
            told = ("bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail", "namemax")
            return {f"f_{what}": getattr(found, f"f_{what}") for what in told}

    # Nothing is remembered by the kernel: a name that was looked for under another form may be there a moment later.
    options = {"attr_timeout": 0, "entry_timeout": 0, "hard_remove": True, "use_ino": NEW_INODES not in lacks}
    Fuse(Lacking(), mountpoint, foreground=True, nothreads=True, allow_other=True, **options)


if __name__ == "__main__":
    os.umask(0)
    os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")
    ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG: it ends with the test that began it
    _serve(sys.argv[1], sys.argv[2], set(sys.argv[3:]))
