"""Durability, spelled once. Every promise that a receipt makes rests on the functions in this file.

A failed fsync is never tried again: the kernel may have dropped the dirty pages and cleared the error, so that a second
fsync succeeds over lost bytes. The caller gives the file up.
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable

_SYNC_FILE_RANGE_WRITE = 2
WRITE_BACK_EVERY = 8 << 20  # bytes
COPY_AT_ONCE = 64 << 20  # bytes
WRITE_BACK_AT_LAST = 1 << 20  # bytes: of the last ones of a request, which its sender waits for

# Writes of 1 MiB took twice the CPU time of these in a virtual machine (docs/benchmarks.md). It seems that the kernel then
# looks for page-cache blocks as large, of memory that the machine had handed back to its host.
_PIECE = 32 << 10  # bytes

_libc = ctypes.CDLL(None, use_errno=True)
_sync_file_range = getattr(
    _libc, "sync_file_range", None
)  # glibc on Linux; elsewhere write-back is the kernel's affair
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def write_all(fd: int, data: memoryview) -> None:
    """Write every byte of `data`, piece by piece; a short write goes on where it stopped. Raises OSError."""
    written = 0
    while written < len(data):
        written += os.write(fd, data[written : written + _PIECE])


def start_write_back(fd: int, offset: int, length: int) -> None:
    """Ask the kernel to begin writing these bytes out, so that the final fsync has little left to do.

    Only a hint: its outcome says nothing, and errors surface at fsync.
    """
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, length, _SYNC_FILE_RANGE_WRITE)


def sync_and_close(fd: int) -> None:
    """Make a file's bytes durable. Raises OSError; the descriptor is closed either way.

    close is checked as well: NFS reports quota and space errors there.
    """
    try:
        os.fsync(fd)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            os.close(fd)
        raise
    os.close(fd)


def copy_range(source: int, target: int, count: int, go_on: Callable[[], None] = lambda: None) -> None:
    """Append `count` bytes of `source`, from its beginning, to `target`; shared by the file system where it can. `go_on` is asked
    before each COPY_AT_ONCE bytes.

    Raises OSError; EOFError when the source is shorter; whatever `go_on` raises.
    """
    done = asked_at = 0
    while done < count:
        if done >= asked_at:
            go_on()
            asked_at = done + COPY_AT_ONCE
        try:
            moved = os.copy_file_range(source, target, min(count - done, COPY_AT_ONCE), offset_src=done)
        except OSError as exc:
            if exc.errno not in (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
                raise
            piece = os.pread(source, min(count - done, 1 << 20), done)
            write_all(target, memoryview(piece))
            moved = len(piece)
        if moved == 0:
            if os.fstat(source).st_size < count:
                raise EOFError
            raise OSError(errno.EIO, "nothing could be read before the end")  # some file systems answer so for a while
        done += moved


def sync_directory(fd: int) -> None:
    """Make a directory's entries durable. Raises OSError."""
    os.fsync(fd)
