"""Is it all there, and is it ours? Asked before a file gets its final name, and before anything is signed for it."""

import contextlib
import hashlib
import os
import stat

from . import durable
from .errors import StagedBytesLost


def check(root_fd: int, staged: str, size: int) -> None:
    """Bring a staged file to exactly `size` bytes: what lies beyond was never promised. One that is not there is no matter here.

    Raises StagedBytesLost for a shorter one and for what is no file at all (a link, a folder); OSError.
    """
    try:
        found = os.stat(staged, dir_fd=root_fd, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode) or found.st_size < size:
        raise StagedBytesLost
    if found.st_size > size:
        fd = os.open(staged, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root_fd)
        try:
            os.ftruncate(fd, size)
        except OSError:
            os.close(fd)
            raise
        durable.sync_and_close(fd)


def holds(folder_fd: int, name: str, size: int, sha256: str) -> bool:
    """Whether a file of these bytes stands under this name; they are then durable. Reads all of it. Raises OSError."""
    found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode) or found.st_size != size:
        return False
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder_fd)
    with os.fdopen(fd, "rb") as file:
        os.fsync(fd)
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def told_apart(fd: int, path: str) -> str:
    """What tells a whole file from any other also under another name: no second file has its inode now, and one that gets it later was
    changed later. Empty where there is none. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        found = os.stat(path, dir_fd=fd, follow_symlinks=False)
        return f"{found.st_ino}:{found.st_mtime_ns}"
    return ""


def is_it(folder_fd: int, name: str, size: int, staged_as: str) -> bool:
    """Whether the file that was told apart so stands under this name, whole. Raises OSError."""
    found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    return stat.S_ISREG(found.st_mode) and found.st_size == size and told_apart(folder_fd, name) == staged_as


def identity(fd: int, path: str) -> tuple[int, int] | None:
    """What tells one file from another; None where there is none. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        found = os.stat(path, dir_fd=fd, follow_symlinks=False)
        return found.st_dev, found.st_ino
    return None


def stands_elsewhere(fd: int, path: str) -> bool:
    """Whether a file has another name besides this one; one that is not there has none. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        found = os.stat(path, dir_fd=fd, follow_symlinks=False)
        return stat.S_ISREG(found.st_mode) and found.st_nlink > 1
    return False
