"""What was deleted waits here before its bytes go, as `trash/<upload_id>/`: the object's folder as it was, by one rename within the store.

Nothing in it is ever served, listed or counted as stored.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator

from . import durable, folders, naming, place
from .absence import in_place
from .errors import ObjectExists, ObjectUnknown, translated
from .nas import BESIDE, COLLECTIONS, MANIFEST_SUFFIX, LocalFileSystemStorage

FOLDER = "trash"
_GOING = ".going"  # behind the name of what is being removed for good


def put(store: LocalFileSystemStorage, directory: tuple[str, ...], name: str) -> None:
    """Take the object `name` out of its collection, durably; one that lies here already is as good. Raises ObjectUnknown,
    StoreUnavailable.
    """
    upload_id, base = directory[-1], name.rpartition("/")[2]
    with store.mounted() as root_fd, translated(missing=ObjectUnknown):
        folders.make(root_fd, ".", FOLDER)
        try:
            with in_place(root_fd, directory) as folder_fd, folders.opened(folder_fd, "..") as month_fd:
                os.stat(base, dir_fd=folder_fd, follow_symlinks=False)
                with folders.opened(root_fd, FOLDER) as trash_fd:
                    _move(upload_id, month_fd, trash_fd)
        except FileNotFoundError:
            if not folders.is_folder(root_fd, f"{FOLDER}/{upload_id}"):
                raise


def bring_back(store: LocalFileSystemStorage, directory: tuple[str, ...], is_new: Callable[[], bool]) -> str:
    """Put an object where it was, durably, and return its own name; one that lies there already is as good. `is_new`: see
    LocalFileSystemStorage.publish. Raises ObjectUnknown, ObjectExists, CollectionUnknown, StoreUnavailable.
    """
    upload_id, path = directory[-1], "/".join((COLLECTIONS, *directory))
    with store.mounted() as root_fd, translated(missing=ObjectUnknown):
        if folders.is_folder(root_fd, f"{FOLDER}/{upload_id}"):
            with folders.opened(root_fd, f"{FOLDER}/{upload_id}") as fd:
                if not _own_name(fd):
                    raise ObjectUnknown
            if folders.is_filled(root_fd, path):
                raise ObjectExists
            month_fd = place.made(root_fd, directory[:-1], is_new)
            try:
                with folders.opened(root_fd, FOLDER) as trash_fd:
                    _move(upload_id, trash_fd, month_fd)
            finally:
                os.close(month_fd)
        with in_place(root_fd, directory) as fd:
            return naming.as_given(root_fd, _own_name(fd))


def names(store: LocalFileSystemStorage) -> Iterator[str]:
    """The ids of what lies here, the oldest first; of what is half gone too. Raises StoreUnavailable."""
    with store.mounted() as root_fd, translated(), contextlib.suppress(FileNotFoundError):
        found = folders.named(root_fd, FOLDER, re.compile(f"{folders.ID.pattern}({re.escape(_GOING)})?"))
        yield from sorted({name.removesuffix(_GOING) for name in found})


def purge(store: LocalFileSystemStorage, upload_id: str) -> bool:
    """Remove it for good. False where it does not lie here any more. Raises StoreUnavailable."""
    going = upload_id + _GOING
    with store.mounted() as root_fd, translated(), folders.opened(root_fd, FOLDER) as fd:
        # By another name first: whoever brings it back at this moment gets all of it, or nothing.
        with contextlib.suppress(FileNotFoundError):
            os.rename(upload_id, going, src_dir_fd=fd, dst_dir_fd=fd)
            durable.sync_directory(fd)
        if not folders.is_folder(fd, going):
            return False
        folders.remove(fd, going)
        durable.sync_directory(fd)
        return True


def _own_name(fd: int) -> str:
    """Of the object in this folder; empty where there is none. Raises OSError."""
    names = [name for name in os.listdir(fd) if not name.startswith(".") and not folders.is_folder(fd, name)]
    beside = [name for name in names if f"{name}{MANIFEST_SUFFIX}" in names]
    return next(iter(beside or [name for name in names if not name.endswith(BESIDE)]), "")


def _move(name: str, source_fd: int, target_fd: int) -> None:
    os.rename(name, name, src_dir_fd=source_fd, dst_dir_fd=target_fd)
    for fd in (target_fd, source_fd):
        durable.sync_directory(fd)
