"""One unfinished upload on the NAS: a file below `staging/`, written in order.

Bytes beyond the last checkpoint are not promised to anybody. Whoever resumes cuts them off.
"""

import contextlib
import errno
import os
import stat
import threading
import uuid

from . import durable, folders, sentinel, whole
from .errors import StagedBytesLost, StoreUnavailable, from_os_error, translated
from .exclusive import Way
from .sentinel import STAGING, check_staging
from .window import Window

_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
MODE = 0o640


class StagedFile:
    """Bytes under way. Use as a context manager, which closes it; `LocalFileSystemStorage.discard` removes it.

    `size` is the count of bytes written. Raises StoreError only.
    """

    def __init__(self, root_fd: int, upload_id: uuid.UUID, resume_at: int = 0):
        """Open `staging/<upload_id>` and cut it to `resume_at` bytes; at 0 it is made if need be. Takes over `root_fd`.

        Raises StagedBytesLost (it holds fewer bytes than that), StoreUnavailable or StoreFull.
        """
        self.root_fd, self.name, self.size = root_fd, str(upload_id), resume_at
        self._written_back = self.size
        self._end: int | None = None
        self._is_new = resume_at == 0  # nothing was promised yet, so nobody has made its name durable
        self._closing = threading.Lock()  # against a thread that reads back while the file is closed
        self._fd: int | None = None
        try:
            self._fd = self._open(resume_at)
        except StagedBytesLost:
            check_staging(root_fd)
            raise
        except OSError as exc:
            # Where nothing was promised yet, a name that cannot be made is no loss.
            if exc.errno != errno.ENOENT or not resume_at:
                raise from_os_error(exc) from exc
            check_staging(root_fd)
            raise StagedBytesLost from exc
        finally:
            if self._fd is None:
                os.close(root_fd)
        self._window = Window(self._fd, self.size)

    def _open(self, resume_at: int) -> int:
        path = f"{STAGING}/{self.name}"
        if resume_at == 0:
            with contextlib.suppress(FileExistsError):
                return os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, MODE, dir_fd=self.root_fd)
        fd = os.open(path, _OPEN, dir_fd=self.root_fd)
        try:
            if _of_a_file(os.fstat(fd)) < resume_at:
                raise StagedBytesLost
            os.ftruncate(fd, resume_at)
            os.lseek(fd, resume_at, os.SEEK_SET)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def __enter__(self) -> "StagedFile":
        return self

    def __exit__(self, *_exc) -> None:
        self._window.stop()
        with self._closing:
            fd, self._fd = self._fd, None
        if fd is not None:
            # An error that NFS kept for close must not hide why we are here; what counts was synced before.
            with contextlib.suppress(OSError):
                os.close(fd)
        os.close(self.root_fd)

    def expect(self, count: int) -> None:
        """So many more bytes will be written before somebody waits for them to be durable."""
        self._end = self.size + count

    def write(self, data: memoryview) -> None:
        """Append all of `data`. Write-back starts as bytes come in, and where the disk falls behind this waits for it, so that the commit
        finds little to do. Raises StoreUnavailable, StoreFull or Unstorable; also for bytes of an earlier call, which are lost then:
        give it up.
        """
        try:
            durable.write_all(self._fd, data)
        except OSError as exc:
            raise from_os_error(exc, writing=True) from exc
        self.size += len(data)
        is_last = self._end is not None and self._end - self.size < durable.WRITE_BACK_EVERY
        if self.size - self._written_back >= (durable.WRITE_BACK_AT_LAST if is_last else durable.WRITE_BACK_EVERY):
            durable.start_write_back(self._fd, self._written_back, self.size - self._written_back)
            self._written_back = self.size
        try:
            self._window.wrote(self.size, None if self._end is None else self._end - self.size)
        except OSError as exc:
            raise from_os_error(exc) from exc

    def checkpoint(self) -> None:
        """Make what was written so far durable and go on. Raises StoreUnavailable or StoreFull; give it up then."""
        try:
            self._window.sync(self.size)
            if self._is_new:
                with folders.opened(self.root_fd, STAGING) as staging_fd:
                    durable.sync_directory(staging_fd)
                self._is_new = False
        except OSError as exc:
            raise from_os_error(exc) from exc

    def read(self, buffer: memoryview, offset: int) -> int:
        """Read back what was written; returns the count. For the type of the first bytes, and for a lost digest."""
        with self._closing:
            if self._fd is None:
                raise StoreUnavailable
            try:
                return os.preadv(self._fd, [buffer], offset)
            except OSError as exc:
                raise StoreUnavailable from exc

    def finish(self) -> None:
        """Make the bytes durable. Raises StoreUnavailable or StoreFull; the file is then given up."""
        try:
            self._window.sync(self.size)
        except OSError as exc:
            raise from_os_error(exc) from exc
        self._window.stop()
        with self._closing:
            fd, self._fd = self._fd, None
        try:
            os.close(fd)  # checked as well: NFS reports quota and space errors there
        except OSError as exc:
            raise from_os_error(exc) from exc

    def told_apart(self) -> str:
        """Of a finished one: what tells it under its final name too, for LocalFileSystemStorage.is_it. Empty where the staged name stays
        beside that one (Way.LINK). Raises StoreUnavailable.
        """
        if sentinel.traits(self.root_fd).way is Way.LINK:
            return ""
        with translated():
            return whole.told_apart(self.root_fd, f"{STAGING}/{self.name}")


def remove(root_fd: int, name: str) -> bool:
    """Remove a staged file; False where there is none. Raises OSError."""
    try:
        os.unlink(f"{STAGING}/{name}", dir_fd=root_fd)
    except FileNotFoundError:
        return False
    return True


def size_of(root_fd: int, name: str) -> int | None:
    """Bytes in a staged file, or None when there is none. Raises OSError."""
    try:
        return _of_a_file(os.stat(f"{STAGING}/{name}", dir_fd=root_fd, follow_symlinks=False))
    except FileNotFoundError:
        return None


def _of_a_file(found: os.stat_result) -> int:
    """Its bytes. Raises OSError of anything that is no file: somebody put it there, and says nothing of ours."""
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return found.st_size
