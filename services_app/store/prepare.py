"""Making a folder a store: tried first, marked last. What is not fit is left as it was found."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from . import durable, probe, sentinel, ways
from .errors import StoreUnavailable
from .exclusive import Traits, Way

_ROOM = "Make room, or raise the quota, of bytes and of files."
_FAILS = "The storage itself fails: look at it, and into the kernel's log (dmesg)."
_SILENT = "The NAS does not answer as it should: is its server there? Mount it anew."
_OBSTACLE = "Something that is no folder has its name. Move it away."

# What is the matter whatever was tried …
_CURES_OF_ERRNO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _ROOM),
    **dict.fromkeys((errno.EIO, errno.ENXIO, errno.ENODEV, errno.EREMOTEIO, errno.EUCLEAN), _FAILS),
    **dict.fromkeys((errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH), _SILENT),
    **dict.fromkeys((errno.ENOTDIR, errno.ELOOP), _OBSTACLE),
    errno.EMFILE: "This process has too many files open: raise its limit (ulimit -n, LimitNOFILE).",
    errno.ENFILE: "This host has too many files open: close some, or raise fs.file-max.",
    errno.ENOMEM: "This host has no memory left: close something, or add some.",
    errno.EROFS: "Mount it read-write.",
    errno.EACCES: "Let the user of services_app read and write there.",
}

# … and what it is by what was tried.
_PROMISE = "A file system that cannot sync does not keep what a receipt promises. "
_ANOTHER_WAY = "Mount it as it was, or, where it will not link any more, run init_store --choose-anew. "
_CURES = {
    "open": "Is the NAS mounted, and in order?",
    "create": "Let the user of services_app write there.",
    "write": "Take another file system: this one does not take bytes.",
    "fsync": _PROMISE + "Mount it so that fsync works.",
    "create twice": "Mount it with a protocol that keeps O_EXCL (NFS 3 or newer, SMB 3, a local file system).",
    "mkdir": "Let the user of services_app make folders there.",
    "link": "No hard link could be made. " + _ANOTHER_WAY + "Have `staging` and `collections` on one mount and in one quota project.",
    "link twice": "A second link must be refused where the name is taken. " + _ANOTHER_WAY,
    "fsync of a folder": _PROMISE + "Mount it so that a folder can be synced.",
    "mkdir, fsync": "Let the user of services_app make folders there, and mount it so that a folder can be synced.",
    "rename": "Let the user of services_app rename files there, on one mount and in one quota project. Was it mounted otherwise before? "
    "init_store --choose-anew.",
    "rename twice": "Nothing on this file system gives a file a name that nothing has. Take another one, or another protocol.",
    "mkdir twice": "Nothing on this file system gives a file a name that nothing has. Take another one, or another protocol.",
    "name": f"Names of {probe.SHORTEST} bytes must be possible. Take another file system.",
    "letters": "Mount it so that names in UTF-8 are taken (CIFS, FAT: iocharset=utf8).",
    "remove": "Let the user of services_app delete files there; a share that keeps every file for a while cannot hold staging.",
    "list": "Let the user of services_app read the folders there.",
    "sentinel": "Let the user of services_app read and write the file .sluice-store. Is it damaged? It is one line of JSON.",
}


class Unfit(Exception):
    """Says why a folder cannot be a store, and what cures that; without its path."""


def explained(cause: Exception, step: str) -> str:
    """"EDQUOT at mkdir: Disk quota exceeded. Make room, …": what went wrong, where, and what to do about it.

    Of an OSError, a ProbeFailed or a StoreError; `step` is that of a cause which does not name its own.
    """
    said = errno.errorcode.get(cause.errno, "") if isinstance(cause, OSError) else str(cause)
    name, _, own = said.partition(" at ")
    code, step = getattr(errno, name, None), own or step
    words = f": {os.strerror(code)}" if code else ""
    cure = _CURES_OF_ERRNO.get(code) or _CURES[step]
    return f"{name or type(cause).__name__} at {step}{words}. {cure}"


@contextlib.contextmanager
def opened(root: Path) -> Iterator[int]:
    """A descriptor of what is to be a store. Raises Unfit."""
    try:
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENOTDIR):
            raise Unfit("NAS_ROOT is not a folder. Mount the NAS, or make the folder, then run this again.") from exc
        raise Unfit(f"NAS_ROOT cannot be opened: {explained(exc, 'open')}") from exc
    try:
        yield root_fd
    finally:
        os.close(root_fd)


def identity(root_fd: int) -> uuid.UUID | None:
    """The id of the store that is there; None for a folder that is none yet. Raises Unfit."""
    try:
        return sentinel.read(root_fd)
    except StoreUnavailable as exc:
        raise Unfit(f"NAS_ROOT has a sentinel that cannot be read: {explained(exc, 'sentinel')}") from exc


def traits(root_fd: int) -> Traits:
    """What the sentinel says that was found of the store. Raises Unfit."""
    try:
        return sentinel.traits(root_fd)
    except StoreUnavailable as exc:
        raise Unfit(f"NAS_ROOT has a sentinel that cannot be read: {explained(exc, 'sentinel')}") from exc


def check_at_rest(root_fd: int) -> None:
    """Before another way may be chosen. Raises Unfit."""
    try:
        if ways.is_at_rest(root_fd):
            return
    except OSError as exc:
        raise Unfit(f"NAS_ROOT cannot be looked at: {explained(exc, 'list')}") from exc
    raise Unfit(
        "Something in staging has a second name: a commit is under way, or was cut off. Run recover, then this again. Nothing was changed."
    )


@contextlib.contextmanager
def tried(root_fd: int, known: Traits | None = None) -> Iterator[Traits]:
    """Make the store's folders, and try in them what the work does, before the `with` block, which is told the store's traits: those that
    are `known`, or what is found. Raises Unfit, also for a step of the block.

    Where something goes wrong, the block included, the folders that were made go again.
    """
    made = []
    try:
        for folder in (sentinel.STAGING, sentinel.COLLECTIONS):
            with probe.step("mkdir"), contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o750, dir_fd=root_fd)
                made.append(folder)
        probe.attempt_rest(root_fd)
        tried_now = ways.choose(root_fd, Way if known is None else (known.way,))
        probe.attempt(root_fd, way=tried_now.way)
        with probe.step("list"):
            probe.sweep(root_fd)
        yield tried_now if known is None else known
    except BaseException as exc:
        for folder in made:
            with contextlib.suppress(OSError):
                os.rmdir(folder, dir_fd=root_fd)
        if isinstance(exc, probe.ProbeFailed):
            why = explained(exc, exc.step)
            raise Unfit(f"NAS_ROOT cannot be a store: {why} Nothing was changed; run this again then.") from exc
        raise


def knows_staging(root_fd: int, store_id: uuid.UUID, *, learn: bool) -> bool:
    """Whether `staging` is the folder that the store knows; one that it never learned is learned, and with `learn` any. Raises
    ProbeFailed or StoreUnavailable.
    """
    with probe.step("sentinel"):
        known = sentinel.knows_staging(root_fd)
        if known is None or (learn and not known):
            sentinel.learn_staging(root_fd, store_id)
            return True
        return known


def mark(root_fd: int, store_id: uuid.UUID, found: Traits) -> None:
    """Make a folder that was tried the store of this id, durable. Raises ProbeFailed."""
    with probe.step("fsync of a folder"):
        durable.sync_directory(root_fd)
    with probe.step("sentinel"):
        sentinel.write(root_fd, store_id, found)


def learn(root_fd: int, store_id: uuid.UUID, found: Traits) -> None:
    """Have a store go on by what was found anew. Raises ProbeFailed or StoreUnavailable."""
    with probe.step("sentinel"):
        sentinel.learn(root_fd, store_id, found)
