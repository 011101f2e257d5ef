"""Folders of the store: opened without following links, made durably, walked without minding what is foreign."""

import contextlib
import os
import re
from collections.abc import Iterator

from . import durable
from .errors import StagedBytesLost

OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
YEAR = re.compile(r"[0-9]{4}")
MONTH = re.compile(r"[0-9]{2}")
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@contextlib.contextmanager
def opened(root_fd: int, path: str) -> Iterator[int]:
    """A folder's descriptor, for the length of a `with` block. Raises OSError."""
    fd = os.open(path, OPEN, dir_fd=root_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def named(root_fd: int, path: str, form: re.Pattern) -> list[str]:
    """The folders in `path` whose names have this form, sorted. Raises OSError."""
    with opened(root_fd, path) as fd, os.scandir(fd) as entries:
        return sorted(e.name for e in entries if form.fullmatch(e.name) and e.is_dir(follow_symlinks=False))


def is_filled(root_fd: int, path: str) -> bool:
    """Whether an object lies in its folder. Its name never begins with a dot; what does is a leftover. Raises OSError."""
    try:
        with opened(root_fd, path) as fd:
            return any(not name.startswith(".") for name in os.listdir(fd))
    except FileNotFoundError:  # deleted a moment ago
        return False


def make(parent_fd: int, parent: str, name: str) -> None:
    """mkdir, durable. Where it exists already its maker may not have synced it yet, so the parent is always synced."""
    with opened(parent_fd, parent) as fd:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o750, dir_fd=fd)
        durable.sync_directory(fd)


def copy(root_fd: int, sources: list[tuple[str, int]], target: str, mode: int) -> None:
    """Make `target` from the first bytes of each source (path and count), one behind the other, durable.

    Raises OSError; StagedBytesLost for a source that is not there, or shorter than that.
    """
    to = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=root_fd)
    try:
        for path, count in sources:
            try:
                source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root_fd)
            except FileNotFoundError as exc:
                raise StagedBytesLost from exc
            try:
                durable.copy_range(source, to, count)
            except EOFError as exc:
                raise StagedBytesLost from exc
            finally:
                os.close(source)
    except BaseException:
        # What went wrong first is the one to tell; `recover` finds what stays.
        with contextlib.suppress(OSError):
            os.close(to)
        with contextlib.suppress(OSError):
            os.unlink(target, dir_fd=root_fd)
        raise
    durable.sync_and_close(to)
