"""One unfinished upload on the NAS: a file below `staging/`, written in order."""

import contextlib
import os
import uuid

from . import durable
from .errors import ObjectExists, from_os_error
from .sentinel import STAGING

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
MODE = 0o640


class StagedFile:
    """Bytes under way. Use as a context manager: what was not finished by the end of it is removed.

    `size` is the count of bytes written. Raises StoreError only.
    """

    def __init__(self, root_fd: int, upload_id: uuid.UUID):
        """Create `staging/<upload_id>`. Takes over `root_fd`. Raises ObjectExists, StoreUnavailable or StoreFull."""
        self.root_fd, self.name, self.size = root_fd, str(upload_id), 0
        self._written_back = 0
        self._keep = False
        self._fd = None
        try:
            self._fd = os.open(f"{STAGING}/{self.name}", _CREATE, MODE, dir_fd=root_fd)
        except FileExistsError as exc:
            os.close(root_fd)
            raise ObjectExists from exc
        except OSError as exc:
            os.close(root_fd)
            raise from_os_error(exc) from exc

    def __enter__(self) -> "StagedFile":
        return self

    def __exit__(self, *_exc) -> None:
        if self._fd is not None:
            # Given up anyway: an error that NFS kept for close must not hide why, nor leave the name behind.
            with contextlib.suppress(OSError):
                os.close(self._fd)
        if not self._keep:
            remove(self.root_fd, self.name)
        os.close(self.root_fd)

    def write(self, data: memoryview) -> None:
        """Append all of `data`; write-back starts as bytes come in, so that the commit finds little to do."""
        try:
            durable.write_all(self._fd, data)
        except OSError as exc:
            raise from_os_error(exc) from exc
        self.size += len(data)
        if self.size - self._written_back >= durable.WRITE_BACK_EVERY:
            durable.start_write_back(self._fd, self._written_back, self.size - self._written_back)
            self._written_back = self.size

    def finish(self) -> None:
        """Make the bytes durable. Raises StoreUnavailable or StoreFull; the file is then given up."""
        fd, self._fd = self._fd, None
        try:
            durable.sync_and_close(fd)
        except OSError as exc:
            raise from_os_error(exc) from exc

    def keep(self) -> None:
        """Leave the staged name alone from here on: it was published, or `recover` will decide about it."""
        self._keep = True


def remove(root_fd: int, name: str) -> None:
    """Remove a staged file, if it is there. A failure leaves a file that `recover` finds."""
    with contextlib.suppress(OSError):
        os.unlink(f"{STAGING}/{name}", dir_fd=root_fd)


def size_of(root_fd: int, name: str) -> int | None:
    """Bytes in a staged file, or None when there is none."""
    try:
        return os.stat(f"{STAGING}/{name}", dir_fd=root_fd, follow_symlinks=False).st_size
    except OSError:
        return None
