"""An object's folder, `collections/<slug>/<year>/<month>/<upload_id>`: made ahead of its bytes, opened, removed if it stays empty."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from . import durable, exclusive, folders, sentinel
from .absence import opened_in_place
from .errors import CollectionUnknown, FolderAway, ObjectUnknown, StoreUnavailable, translated
from .sentinel import COLLECTIONS
from .whole import identity


class Place(NamedTuple):
    """One that was made durable, told from any other that may come under its name."""

    device: int
    inode: int


def of(fd: int) -> Place:
    """Raises StoreUnavailable or StoreFull."""
    with translated():
        found = os.fstat(fd)
    return Place(found.st_dev, found.st_ino)


def opened(root_fd: int, staged: str, directory: tuple[str, ...], before: Place | None, is_new: Callable[[], bool]) -> int:
    """Open `collections/<directory>`; made and synced, unless it is the one that was made `before`. Raises as `made`, and ObjectUnknown
    where none is made, since nothing is `staged`.
    """
    with translated(missing=ObjectUnknown):
        if identity(root_fd, staged) is None:
            return opened_in_place(root_fd, directory)
    if before is not None:
        with contextlib.suppress(StoreUnavailable):  # gone: it is made again
            fd = made(root_fd, directory, None)
            with _closed_on_error(fd):
                is_it = of(fd) == before
            if is_it:
                return fd
            os.close(fd)
    return made(root_fd, directory, is_new)


def made(root_fd: int, directory: tuple[str, ...], is_new: Callable[[], bool] | None) -> int:
    """Open `collections/<directory>`, an object's folder or its month, making all below the collection, each entry durable before it is
    used; without `is_new` only open it. `is_new`: see LocalFileSystemStorage.publish. Raises CollectionUnknown, FolderAway, StoreFull or
    StoreUnavailable.
    """
    slug, *below = directory
    with translated(missing=CollectionUnknown):
        sentinel.check_mount(root_fd, f"{COLLECTIONS}/{slug}")
        fd = os.open(f"{COLLECTIONS}/{slug}", folders.OPEN, dir_fd=root_fd)
    with _closed_on_error(fd), translated():
        if is_new and identity(fd, "/".join(below[:2])) is None and not is_new():
            raise FolderAway("month away")
    for part in below:
        try:
            with translated():
                if is_new:
                    folders.make(fd, ".", part)
                inner = os.open(part, folders.OPEN, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
        with _closed_on_error(fd), translated():
            sentinel.check_mount_of(fd, root_fd)
    return fd


def anew(fd: int, name: str, root_fd: int) -> int:
    """The object's folder `name`, open as `fd`, made again for a Way.FOLDER, durable; the same where something lies in it. Takes over
    `fd`. Raises StoreFull or StoreUnavailable.
    """
    with _closed_on_error(fd), translated(), folders.opened(fd, "..") as month_fd:
        if not exclusive.anew(month_fd, name):
            return fd
        durable.sync_directory(month_fd)
        fresh = os.open(name, folders.OPEN, dir_fd=month_fd)
        with _closed_on_error(fresh):
            sentinel.check_mount_of(fresh, root_fd)
    os.close(fd)
    return fresh


def remove_empty(root_fd: int, directory: tuple[str, ...]) -> None:
    """One that holds anything stays, and so does one that the store does not let go: it does no harm."""
    with contextlib.suppress(OSError):
        os.rmdir("/".join((COLLECTIONS, *directory)), dir_fd=root_fd)


@contextlib.contextmanager
def _closed_on_error(fd: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(fd)
        raise
