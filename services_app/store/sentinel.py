"""Is this folder the NAS? The sentinel is a file that `init_store` wrote into the store's root.

A mountpoint whose NAS is not mounted is an ordinary empty folder on the local disk. It has no sentinel, so nothing
is ever written there. A sentinel with another id is another store. It knows its `staging` by the inode too: what lies in
another folder of that name says nothing of what is lost (ADR 0016).
"""

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from . import exclusive
from .errors import StoreUnavailable
from .exclusive import Traits, Way

NAME = ".sluice-store"
STAGING = "staging"
COLLECTIONS = "collections"

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def read(root_fd: int) -> uuid.UUID | None:
    """The id in the sentinel below `root_fd`, or None without one. Raises StoreUnavailable when it is unreadable."""
    content = _content(root_fd)
    try:
        return content and uuid.UUID(content["store"])
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise StoreUnavailable from exc


def traits(root_fd: int) -> Traits:
    """What init_store found of the store: that of one without a sentinel, or with one of before, is what it always was. Raises
    StoreUnavailable, also of a way that this release does not know.
    """
    content = _content(root_fd) or {}
    try:
        way = Way(content.get("way", Way.LINK))
    except ValueError as exc:
        raise StoreUnavailable("way unknown") from exc
    return Traits(way, content.get("folds_case") is True, content.get("normalises") is True)


def _content(root_fd: int) -> dict | None:
    try:
        fd = os.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root_fd)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _unavailable(exc) from exc
    try:
        content = json.loads(os.read(fd, 4096))
    except OSError as exc:
        raise _unavailable(exc) from exc
    except ValueError as exc:
        raise StoreUnavailable from exc
    finally:
        os.close(fd)
    if not isinstance(content, dict) or not content:
        raise StoreUnavailable
    return content


def write(root_fd: int, store_id: uuid.UUID, found: Traits | None = None) -> None:
    """Write the sentinel, whole or not at all. Raises OSError, FileExistsError when there is one already."""
    found = found or Traits()
    with _aside(root_fd, store_id, found, _inode_of_staging(root_fd)) as aside:
        exclusive.put(found.way, aside, NAME, root_fd)
        try:
            if found.way is Way.LINK:
                os.unlink(aside, dir_fd=root_fd)
            os.fsync(root_fd)
        except OSError:
            os.unlink(NAME, dir_fd=root_fd)
            raise


def learn(root_fd: int, store_id: uuid.UUID, found: Traits) -> None:
    """Note what was found anew; all else stays. Raises StoreUnavailable, OSError."""
    _replace(root_fd, store_id, found, (_content(root_fd) or {}).get("staging"))


def knows_staging(root_fd: int) -> bool | None:
    """Whether `staging` is the folder that it was; None where the sentinel does not say. Raises StoreUnavailable, OSError."""
    content = _content(root_fd)
    if content is None:
        raise StoreUnavailable
    known = content.get("staging")
    return known and known == _inode_of_staging(root_fd)


def learn_staging(root_fd: int, store_id: uuid.UUID) -> None:
    """Take the folder that is `staging` now for the store's own. Raises StoreUnavailable, OSError."""
    _replace(root_fd, store_id, traits(root_fd), _inode_of_staging(root_fd))


def _replace(root_fd: int, store_id: uuid.UUID, found: Traits, staging: int | None) -> None:
    with _aside(root_fd, store_id, found, staging) as aside:
        os.rename(aside, NAME, src_dir_fd=root_fd, dst_dir_fd=root_fd)
        os.fsync(root_fd)


def check_staging(root_fd: int) -> None:
    """Before bytes are called lost. Raises StoreUnavailable where `staging` is another folder than it was, or nobody can tell."""
    try:
        if knows_staging(root_fd) is False:
            raise StoreUnavailable("staging replaced")
    except OSError as exc:
        raise _unavailable(exc) from exc


@contextlib.contextmanager
def _aside(root_fd: int, store_id: uuid.UUID, found: Traits, staging: int | None) -> Iterator[str]:
    """The name of a whole sentinel beside its place, for the length of a `with` block."""
    aside = f"{NAME}.{uuid.uuid4().hex}"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444, dir_fd=root_fd)
    try:
        with os.fdopen(fd, "w") as file:
            note = "Sluice writes here only while this file is here. Keep it."
            its = {"way": found.way, "folds_case": found.folds_case, "normalises": found.normalises}
            json.dump({"store": str(store_id), "staging": staging, **its, "note": note}, file)
            file.flush()
            os.fsync(file.fileno())
        yield aside
    finally:
        with contextlib.suppress(OSError):  # it is gone mostly, and a second name of the sentinel does no harm
            os.unlink(aside, dir_fd=root_fd)


def open_verified(root: str | os.PathLike, store_id: uuid.UUID | None) -> int:
    """A descriptor of the store's root, after a look at its sentinel; the caller closes it.

    All further work goes through this descriptor, so that what was checked is what is written to. Raises
    StoreUnavailable when the root is absent, carries no sentinel, another one, or its folders are none of its own:
    links, on another device, or mounted over (nothing could be published then, and what lies beneath is not lost).
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
        for part in (STAGING, COLLECTIONS):
            check_mount(root_fd, part)
    except (OSError, StoreUnavailable) as exc:
        os.close(root_fd)
        if isinstance(exc, StoreUnavailable):
            raise
        raise _unavailable(exc) from exc
    return root_fd


def check_mount(root_fd: int, folder: str) -> None:
    """Raises StoreUnavailable where `folder` is a link or lies on another mount than the root, even one of the same device; OSError."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root_fd)
    try:
        check_mount_of(fd, root_fd)
    finally:
        os.close(fd)


def check_mount_of(fd: int, root_fd: int) -> None:
    """The same of an open folder."""
    if _mount(fd) != _mount(root_fd):
        raise StoreUnavailable("mounted over")


def _mount(fd: int) -> str:
    """The number of its mount (proc_pid_fdinfo(5)): a folder that is bound over another one is on the same device."""
    told = Path(f"/proc/self/fdinfo/{fd}").read_text().split()
    return told[told.index("mnt_id:") + 1]


def _inode_of_staging(root_fd: int) -> int | None:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(STAGING, dir_fd=root_fd, follow_symlinks=False).st_ino
    return None


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
