"""Folders of the store: opened without following links, made durably, walked without minding what is foreign."""

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator

from . import durable
from .errors import OF_ONE, StagedBytesLost

WRITING = 0o222  # of a mode: everybody's leave to write
MODE = 0o750
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


def obstacles(root_fd: int, path: str, form: re.Pattern) -> list[str]:
    """What in `path` has such a name and is no folder (a link to one is none), sorted. Raises OSError."""
    with opened(root_fd, path) as fd, os.scandir(fd) as entries:
        return sorted(e.name for e in entries if form.fullmatch(e.name) and not e.is_dir(follow_symlinks=False))


def is_folder(root_fd: int, path: str) -> bool:
    """Whether a folder has this name (a link to one is none). Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISDIR(os.stat(path, dir_fd=root_fd, follow_symlinks=False).st_mode)
    return False


def is_filled(root_fd: int, path: str) -> bool:
    """Whether an object lies in its folder. Its name never begins with a dot; what does is a leftover. One that cannot be opened
    is taken for filled. Raises OSError.
    """
    try:
        with opened(root_fd, path) as fd:
            return any(not name.startswith(".") for name in os.listdir(fd))
    except FileNotFoundError:  # deleted a moment ago
        return False
    except OSError as exc:
        if exc.errno not in OF_ONE:
            raise
        return True


def make(parent_fd: int, parent: str, name: str) -> None:
    """mkdir, durable. Where it exists already its maker may not have synced it yet, so the parent is always synced."""
    with opened(parent_fd, parent) as fd:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, MODE, dir_fd=fd)
        durable.sync_directory(fd)


def remove(parent_fd: int, name: str) -> None:
    """Remove a folder with all in it, also where its mode does not allow that, following no link; what is not there is no matter.
    Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        with opened(parent_fd, name) as fd:
            with contextlib.suppress(OSError):
                os.fchmod(fd, MODE)
            with os.scandir(fd) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
            for each, is_inner in found:
                if is_inner:
                    remove(fd, each)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(each, dir_fd=fd)
        os.rmdir(name, dir_fd=parent_fd)


def close_to_writing(folder_fd: int, name: str) -> bool:
    """Take everybody's leave to write a file; whether that was done. A store that keeps no modes (CIFS, FAT) stores all the same;
    `reconcile_store` mends what a crash left open.
    """
    with contextlib.suppress(OSError):
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)
        try:
            os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) & ~WRITING)
            return not os.fstat(fd).st_mode & WRITING
        finally:
            os.close(fd)
    return False


def withhold(folder_fd: int, name: str, *, withheld: bool) -> None:
    """Have nobody but its owner read a file, or its group again; as far as the store keeps modes. Raises FileNotFoundError."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        with contextlib.suppress(OSError):
            os.fchmod(fd, mode & ~0o077 if withheld else mode | stat.S_IRGRP)
    finally:
        os.close(fd)


def copy(
    root_fd: int, sources: list[tuple[str, int]], target: str, mode: int, go_on: Callable[[], None] = lambda: None
) -> None:
    """Make `target` from the first bytes of each source (path and count), one behind the other, durable. `go_on`: see copy_range.

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
                durable.copy_range(source, to, count, go_on)
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
