"""Folders of the store: opened without following links, made durably, walked without minding what is foreign."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from . import durable

OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

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


def named(base: Path, form: re.Pattern) -> list[Path]:
    """The folders in `base` whose names have this form, sorted. Raises OSError."""
    with os.scandir(base) as entries:
        names = [entry.name for entry in entries if form.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)]
    return [base / name for name in sorted(names)]


def is_filled(folder: Path) -> bool:
    """Whether an object lies in its folder. Its name never begins with a dot; what does is a leftover."""
    try:
        return any(not name.startswith(".") for name in os.listdir(folder))
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

    Raises OSError; FileNotFoundError also for a source that is shorter than that.
    """
    to = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=root_fd)
    try:
        for path, count in sources:
            source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root_fd)
            try:
                durable.copy_range(source, to, count)
            except EOFError as exc:
                raise FileNotFoundError from exc
            finally:
                os.close(source)
    except BaseException:
        os.close(to)
        os.unlink(target, dir_fd=root_fd)
        raise
    durable.sync_and_close(to)
