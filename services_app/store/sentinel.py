"""Is this folder the NAS? The sentinel is a file that `init_store` wrote into the store's root.

A mountpoint whose NAS is not mounted is an ordinary empty folder on the local disk. It has no sentinel, so nothing
is ever written there. A sentinel with another id is another store.
"""

import errno
import json
import os
import stat
import uuid

from .errors import StoreUnavailable

NAME = ".sluice-store"
STAGING = "staging"
COLLECTIONS = "collections"

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def read(root_fd: int) -> uuid.UUID | None:
    """The id in the sentinel below `root_fd`, or None without one. Raises StoreUnavailable when it is unreadable."""
    try:
        fd = os.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root_fd)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _unavailable(exc) from exc
    try:
        return uuid.UUID(json.loads(os.read(fd, 4096))["store"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise StoreUnavailable from exc
    finally:
        os.close(fd)


def write(root_fd: int, store_id: uuid.UUID) -> None:
    """Write the sentinel, whole or not at all. Raises OSError, FileExistsError when there is one already."""
    aside = f"{NAME}.{uuid.uuid4().hex}"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444, dir_fd=root_fd)
    try:
        with os.fdopen(fd, "w") as file:
            json.dump(
                {"store": str(store_id), "note": "Sluice writes here only while this file is here. Keep it."}, file
            )
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, NAME, src_dir_fd=root_fd, dst_dir_fd=root_fd)
    finally:
        os.unlink(aside, dir_fd=root_fd)
    os.fsync(root_fd)


def open_verified(root: str | os.PathLike, store_id: uuid.UUID | None) -> int:
    """A descriptor of the store's root, after a look at its sentinel; the caller closes it.

    All further work goes through this descriptor, so that what was checked is what is written to. Raises
    StoreUnavailable when the root is absent, carries no sentinel, another one, or its folders are none of its own:
    links, or on another device (publishing could then not be a link).
    """
    if store_id is None:
        raise StoreUnavailable
    try:
        root_fd = os.open(root, _DIRECTORY)
    except OSError as exc:
        raise _unavailable(exc) from exc
    try:
        if read(root_fd) != store_id:
            raise StoreUnavailable
        parts = [os.stat(part, dir_fd=root_fd, follow_symlinks=False) for part in (NAME, STAGING, COLLECTIONS)]
        if {part.st_dev for part in parts} != {os.fstat(root_fd).st_dev}:
            raise StoreUnavailable
        # A link in their place lies on this device, but may lead to any other.
        if not all(stat.S_ISDIR(part.st_mode) for part in parts[1:]):
            raise StoreUnavailable
    except (OSError, StoreUnavailable) as exc:
        os.close(root_fd)
        if isinstance(exc, StoreUnavailable):
            raise
        raise _unavailable(exc) from exc
    return root_fd


def still_mounted(root: str | os.PathLike, root_fd: int) -> bool:
    """Whether the path of the root still leads to the folder that `root_fd` was opened on. Raises OSError: nobody can tell."""
    try:
        now, then = os.stat(root), os.fstat(root_fd)
    except FileNotFoundError:
        return False
    return (now.st_dev, now.st_ino) == (then.st_dev, then.st_ino)


def _unavailable(exc: OSError) -> StoreUnavailable:
    """With its cause, where it is another one than that the store is not there."""
    return StoreUnavailable() if exc.errno == errno.ENOENT else StoreUnavailable(errno.errorcode.get(exc.errno, "unknown"))
