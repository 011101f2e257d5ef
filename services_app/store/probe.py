"""Can this file system do what the work needs? Tried with files of our own, never asked: some say more than they can.

What a kill leaves behind begins with PREFIX in `staging/`, `collections/`, the collections and their years and months. It is swept an
hour later, but in a month, whose list is long: there it stays, a folder that nothing looks at.
"""

import contextlib
import errno
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from . import durable, exclusive, folders, sentinel
from .errors import CollectionBarred, StoreError, from_os_error
from .exclusive import Way
from .paths import object_directory
from .sentinel import COLLECTIONS, STAGING

PREFIX = ".probe-"

LONGEST = 255  # bytes: no file system that Linux mounts takes longer names
SHORTEST = 72  # bytes: the longest name that is made here without a sender's part, with some room

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LEFT_BEHIND = 3600  # seconds; a probe that waits for a store that stalls is younger
_WORTH = memoryview(bytes(4096))
# What a folder says that is another mount or quota project than `staging/`, or of a file system that makes no links, or no more.
_NO_WAY_IN = {errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


class ProbeFailed(Exception):
    """`step` is what was tried, `error` what the work would meet."""

    def __init__(self, step: str, cause: OSError):
        self.step, self.cause = step, cause
        self.error: StoreError = from_os_error(cause)
        super().__init__(f"{errno.errorcode.get(cause.errno, 'unknown')} at {step}")


def attempt(root_fd: int, places: Iterable[str] = (), way: Way | None = None) -> dict[str, ProbeFailed]:
    """What storing an object does, in small: a staged file, made durable, and published in a new folder of `collections/`; by this way,
    else by that of the store.

    Returns those of `places`, collections, where the last step fails in the folder in which an object begun now would be published,
    or as much of it as is there: as CollectionBarred where that is no matter of waiting. Raises ProbeFailed when all would;
    StoreUnavailable of a damaged sentinel.
    """
    way = way or sentinel.traits(root_fd).way
    with staged_file(root_fd) as staged:
        _publish(way, root_fd, staged, COLLECTIONS, sync=True)
        failed = {}
        for place in places:
            try:
                _publish(way, root_fd, staged, _way_in(root_fd, place)[-1])
            except ProbeFailed as exc:
                if exc.cause.errno in _NO_WAY_IN:
                    exc.error = CollectionBarred(*exc.error.args)
                failed[place] = exc
    return failed


def _way_in(root_fd: int, place: str) -> list[str]:
    """The collection, and of the year and the month of now as much as is there; each as a path. Raises ProbeFailed for what is there and
    no folder (a link is none).
    """
    path, *below = object_directory(place, uuid.UUID(int=0), datetime.now(UTC))[:-1]
    found = [f"{COLLECTIONS}/{path}"]
    for part in below:
        deeper = f"{found[-1]}/{part}"
        try:
            with step("open"), folders.opened(root_fd, deeper):
                found.append(deeper)
        except ProbeFailed as exc:
            if exc.cause.errno != errno.ENOENT:
                raise
            break
    return found


def obstacles(root_fd: int) -> dict[str, ProbeFailed]:
    """What has a collection's name and is no folder: it was one, or somebody meant it to be. Raises OSError."""
    found = folders.obstacles(root_fd, COLLECTIONS, folders.SLUG)
    return {name: ProbeFailed("open", OSError(errno.ENOTDIR, "")) for name in found}


def attempt_rest(root_fd: int) -> None:
    """What else the work relies on, and what does not change from one moment to the next. Raises ProbeFailed."""
    with staged_file(root_fd) as staged:
        _is_refused("create twice", lambda: os.close(os.open(staged, _NEW, 0o600, dir_fd=root_fd)))
        with staged_file(root_fd) as other, step("rename"):
            os.rename(other, staged, src_dir_fd=root_fd, dst_dir_fd=root_fd)
    with step("name"):
        if not _takes(root_fd, _name().ljust(SHORTEST, "x")):
            raise OSError(errno.ENAMETOOLONG, "")
    with step("letters"):
        if not _takes(root_fd, f"{_name()}-\u00e9\u4e2d"):
            raise OSError(errno.EILSEQ, "")


def longest_name(root_fd: int) -> int:
    """The most bytes that a name may have here, found by making such names. Raises OSError."""
    takes, refuses = SHORTEST, LONGEST + 1
    if _takes(root_fd, _name().ljust(LONGEST, "x")):
        return LONGEST
    while refuses - takes > 1:
        middle = (takes + refuses) // 2
        takes, refuses = (middle, refuses) if _takes(root_fd, _name().ljust(middle, "x")) else (takes, middle)
    return takes


def sweep(root_fd: int, places: Iterable[str] = ()) -> None:
    """Remove what probes that were killed have left, as far as it goes. Raises OSError where the store's own folders cannot be read."""
    with folders.opened(root_fd, STAGING) as fd:
        now = os.fstat(fd).st_mtime  # by the store's clock: a file was made in it a moment ago
    for folder in (STAGING, COLLECTIONS):
        _sweep(root_fd, folder, now)
    for place in places:
        with contextlib.suppress(OSError, ProbeFailed):  # `attempt` tells of that one
            for folder in _way_in(root_fd, place)[:2]:
                _sweep(root_fd, folder, now)


def _sweep(root_fd: int, folder: str, now: float) -> None:
    with folders.opened(root_fd, folder) as fd:
        for name in os.listdir(fd):
            if name.startswith(PREFIX):
                with contextlib.suppress(OSError):  # that of a living probe vanishes as we look
                    _clear(fd, name, older_than=now - _LEFT_BEHIND)


def _clear(fd: int, name: str, *, older_than: float) -> None:
    if os.stat(name, dir_fd=fd, follow_symlinks=False).st_mtime >= older_than:
        return
    try:
        os.unlink(name, dir_fd=fd)
    except (IsADirectoryError, PermissionError):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{name}/probe", dir_fd=fd)
        os.rmdir(name, dir_fd=fd)


@contextlib.contextmanager
def staged_file(root_fd: int, ending: str = "") -> Iterator[str]:
    """A staged file of some bytes, durable, for the length of a `with` block; its path, which ends so."""
    path = f"{STAGING}/{_name()}{ending}"
    with step("create"):
        fd = os.open(path, _NEW, 0o600, dir_fd=root_fd)
    with made(root_fd, path):
        try:
            with step("write"):
                durable.write_all(fd, _WORTH)
        except ProbeFailed:
            with contextlib.suppress(OSError):
                os.close(fd)
            raise
        with step("fsync"):
            durable.sync_and_close(fd)
        yield path


def _publish(way: Way, root_fd: int, staged: str, parent: str, *, sync: bool = False) -> None:
    with made_folder(root_fd, parent) as folder:
        final = {"name": f"{folder}/probe", "src_dir_fd": root_fd, "dst_dir_fd": root_fd}
        with step("link" if way is Way.LINK else "rename"):
            exclusive.publish(way, staged, **final)
        with made(root_fd, f"{folder}/probe"):
            if sync:
                with step("fsync of a folder"), folders.opened(root_fd, folder) as fd:
                    durable.sync_directory(fd)
            if way is not Way.LINK:
                with step("rename"):
                    exclusive.take_back(way, staged, **final)


@contextlib.contextmanager
def made_folder(root_fd: int, parent: str) -> Iterator[str]:
    """A folder of the probe's own, for the length of a `with` block; its path."""
    folder = f"{parent}/{_name()}"
    with step("mkdir"):
        os.mkdir(folder, 0o750, dir_fd=root_fd)
    with made(root_fd, folder, by="rmdir"):
        yield folder


@contextlib.contextmanager
def made(root_fd: int, path: str, *, by: str = "unlink") -> Iterator[None]:
    """Something that this probe made, for the length of a `with` block. What went wrong first is the one to tell."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            getattr(os, by)(path, dir_fd=root_fd)
        raise
    with step("remove"), contextlib.suppress(FileNotFoundError):  # renamed away
        getattr(os, by)(path, dir_fd=root_fd)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """What is tried in this `with` block. OSError → ProbeFailed."""
    try:
        yield
    except OSError as exc:
        raise ProbeFailed(name, exc) from exc


def _is_refused(what: str, call: Callable[[], None]) -> None:
    """What must fail because the name is taken."""
    with step(what):
        try:
            call()
        except FileExistsError:
            return
        raise OSError(errno.EOPNOTSUPP, "")


def _takes(root_fd: int, name: str) -> bool:
    """Whether a file may have this name. Raises OSError when that is not what it depends on."""
    try:
        os.close(os.open(f"{STAGING}/{name}", _NEW, 0o600, dir_fd=root_fd))
    except OSError as exc:
        if exc.errno in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
            return False
        raise
    os.unlink(f"{STAGING}/{name}", dir_fd=root_fd)
    return True


def _name() -> str:
    return f"{PREFIX}{uuid.uuid4()}"
