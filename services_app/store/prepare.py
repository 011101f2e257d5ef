"""Making a folder a store: tried first, marked last. What is not fit is left as it was found."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from . import durable, probe, sentinel

_PROMISE = "A file system that cannot hard-link or sync does not keep what a receipt promises. "
_CURES = {
    "create": "Let the user of services_app write there, and mount it read-write.",
    "write": "Make room, or raise the quota.",
    "fsync": _PROMISE + "Mount it so that fsync works.",
    "create twice": "Mount it with a protocol that keeps O_EXCL (NFS 3 or newer, SMB 3, a local file system).",
    "mkdir": "Let the user of services_app make folders there, and mount it read-write.",
    "link": _PROMISE
    + "Take one with hard links, and have `staging` and `collections` on one mount and in one quota project.",
    "link twice": "A second link must be refused where the name is taken. Take another protocol for this share.",
    "fsync of a folder": _PROMISE + "Mount it so that a folder can be synced.",
    "rename": "Let the user of services_app rename files there.",
    "name": f"Names of {probe.SHORTEST} bytes must be possible. Take another file system.",
    "letters": "Mount it so that names in UTF-8 are taken (CIFS, FAT: iocharset=utf8).",
    "remove": "Let the user of services_app delete files there; a share that keeps every file for a while cannot hold staging.",
}


class Unfit(Exception):
    """Says why a folder cannot be a store, and what cures that; without its path."""


def cure(cause: Exception) -> str:
    """What to do about a probe's `ERRNO at step`."""
    return _CURES.get(str(cause).partition(" at ")[2], "")


@contextlib.contextmanager
def opened(root: Path) -> Iterator[int]:
    """A descriptor of what is to be a store. Raises Unfit."""
    try:
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENOTDIR):
            raise Unfit("NAS_ROOT is not a folder. Mount the NAS, or make the folder, then run this again.") from exc
        raise Unfit(f"NAS_ROOT cannot be opened ({errno.errorcode.get(exc.errno)}). Is the NAS in order?") from exc
    try:
        yield root_fd
    finally:
        os.close(root_fd)


def identity(root_fd: int) -> uuid.UUID | None:
    """The id of the store that is there; None for a folder that is none yet. Raises StoreUnavailable."""
    return sentinel.read(root_fd)


@contextlib.contextmanager
def tried(root_fd: int) -> Iterator[None]:
    """Make the store's folders, and try in them what the work does, before the `with` block. Raises Unfit.

    Where something goes wrong, the block included, the folders that were made go again.
    """
    made = []
    try:
        try:
            for folder in (sentinel.STAGING, sentinel.COLLECTIONS):
                with probe.step("mkdir"), contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o750, dir_fd=root_fd)
                    made.append(folder)
            probe.attempt(root_fd)
            probe.attempt_rest(root_fd)
            probe.sweep(root_fd)
        except probe.ProbeFailed as exc:
            raise Unfit(
                f"NAS_ROOT cannot be a store: {exc}. {cure(exc)} Nothing was changed; run this again then."
            ) from exc
        yield
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):
                os.rmdir(folder, dir_fd=root_fd)
        raise


def mark(root_fd: int, store_id: uuid.UUID) -> None:
    """Make a folder that was tried the store of this id, durable. Raises OSError, FileExistsError when it is one already."""
    durable.sync_directory(root_fd)
    sentinel.write(root_fd, store_id)
