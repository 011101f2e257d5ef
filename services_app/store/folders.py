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
