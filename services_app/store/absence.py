"""What is not there: is it lost, or only away?

Bytes, objects and folders that are missing are missing for good only where all that should be around them is in its place (ADR 0016).
"""

import contextlib
import os
from collections.abc import Iterator, Sequence

from . import durable, folders, naming, sentinel
from .errors import FolderAway, ObjectUnknown, StagedBytesLost, StoreFull, StoreUnavailable, Unstorable, translated
from .paths import FALLBACK_NAME
from .sentinel import COLLECTIONS
from .whole import check, identity, stands_elsewhere


def check_whole(root_fd: int, staged: str, folder_fd: int, name: str, size: int) -> None:
    """Raises StagedBytesLost; one that was linked before its bytes went loses its final name, under which nobody shall read it."""
    try:
        check(root_fd, staged, size)
    except StagedBytesLost:
        for each in (name, FALLBACK_NAME):
            if identity(root_fd, staged) == naming.standing(folder_fd, each):
                os.unlink(each, dir_fd=folder_fd)
                durable.sync_directory(folder_fd)
        with translated():
            check_nowhere_else(root_fd, staged)
        raise


def check_nowhere_else(root_fd: int, staged: str) -> None:
    """Of what does not have its final name here. A second name of it says that it was given one: the year, the month or the whole
    collection is away, or another folder is in its place. Raises FolderAway; OSError.
    """
    if stands_elsewhere(root_fd, staged):
        raise FolderAway("staged bytes have a name elsewhere")


@contextlib.contextmanager
def lost_only_here(root_fd: int) -> Iterator[None]:
    """Of bytes that are not in `staging`. A folder that was replaced says nothing of them: StoreUnavailable."""
    try:
        yield
    except (StagedBytesLost, ObjectUnknown):
        sentinel.check_staging(root_fd)
        raise


@contextlib.contextmanager
def in_place(root_fd: int, directory: Sequence[str]) -> Iterator[int]:
    """The folder that `opened_in_place` opens, for the length of a `with` block. Raises as that."""
    fd = opened_in_place(root_fd, directory)
    try:
        yield fd
    finally:
        os.close(fd)


def opened_in_place(root_fd: int, directory: Sequence[str]) -> int:
    """The folder of an object as a descriptor, come to by no link and on no other mount than the root's: what is not in it is nowhere
    else in the store.

    Raises FileNotFoundError where only that folder itself is not there. A collection, year or month that is not there says nothing of
    what was stored in it, for it was made for that, and nothing here removes one: FolderAway. StoreUnavailable where something is
    mounted over one of them; OSError, of a link or a file in the place of one too.
    """
    fd = os.open(COLLECTIONS, folders.OPEN, dir_fd=root_fd)
    try:
        for part, what in zip(directory, ("collection", "year", "month", None), strict=True):
            try:
                inner = os.open(part, folders.OPEN, dir_fd=fd)
            except FileNotFoundError:
                if what is None:
                    raise
                raise FolderAway(f"{what} away") from None
            os.close(fd)
            fd = inner
            sentinel.check_mount_of(fd, root_fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_in_place(root_fd: int, slug: str) -> None:
    """Raises FolderAway where a collection is not there, StoreUnavailable where it is mounted over; OSError."""
    try:
        sentinel.check_mount(root_fd, f"{COLLECTIONS}/{slug}")
    except FileNotFoundError as exc:
        raise FolderAway("collection away") from exc


@contextlib.contextmanager
def looked_at(missing: type[Exception] = StoreUnavailable) -> Iterator[None]:
    """As `translated`, of a mere look. Nothing is stored by it, so whatever fails says nothing of what the store takes: it may pass."""
    try:
        with translated(missing):
            yield
    except (StoreFull, Unstorable) as exc:
        raise StoreUnavailable(*exc.args) from exc
