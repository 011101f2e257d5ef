"""By which way does this store give a file a name that nothing has, and which names does it take for one? Tried on the store itself,
once, and written into its sentinel: some file systems say more than they can (ADR 0047).
"""

import errno
import os
from collections.abc import Iterable

from . import durable, exclusive, folders, probe
from .exclusive import Traits, Way
from .sentinel import COLLECTIONS, STAGING
from .whole import identity, stands_elsewhere

# What a file system says that does not know the call. Anything else says something of this moment: nothing is chosen by it.
_UNKNOWN = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EMLINK}
_MARK = memoryview(b"written through one name, read through the other")


def choose(root_fd: int, among: Iterable[Way] = Way) -> Traits:
    """The first of the ways that is what it says, and the other traits. Raises ProbeFailed: where none is, of the first."""
    failed = None
    for way in among:
        try:
            _check(root_fd, way)
        except probe.ProbeFailed as exc:
            if exc.cause.errno not in _UNKNOWN:
                raise
            failed = failed or exc
        else:
            return Traits(way, folds_case=_is_one(root_fd, "a", "A"), normalises=_is_one(root_fd, "\u00e9", "e\u0301"))
    raise failed


def is_at_rest(root_fd: int) -> bool:
    """Whether no staged file has a second name: of one that has, only by a link anybody can tell whose it is. Raises OSError."""
    with folders.opened(root_fd, STAGING) as fd:
        return not any(stands_elsewhere(fd, name) for name in os.listdir(fd))


def _check(root_fd: int, way: Way) -> None:
    """One file is published, another one under the same name is refused, and leaves the first. Raises ProbeFailed."""
    step, twice = ("link", "link twice") if way is Way.LINK else ("rename", "rename twice")
    with (
        probe.staged_file(root_fd) as first,
        probe.staged_file(root_fd) as second,
        probe.made_folder(root_fd, COLLECTIONS) as folder,
        probe.made(root_fd, f"{folder}/probe"),
    ):
        if way is Way.FOLDER:
            parent, _, name = folder.rpartition("/")
            with probe.step("mkdir twice"), folders.opened(root_fd, parent) as parent_fd:
                _insist(exclusive.anew(parent_fd, name) and _is_refused(lambda: os.mkdir(name, dir_fd=parent_fd)))
        with probe.step("open"), folders.opened(root_fd, folder) as fd:
            with probe.step(step):
                exclusive.publish(way, first, "probe", src_dir_fd=root_fd, dst_dir_fd=fd)
                written, whole = (root_fd, first) if way is Way.LINK else (fd, "probe"), _content(fd, "probe")
                _append(*written)
                _insist(_content(fd, "probe") == whole + bytes(_MARK) and (way is Way.LINK) == (identity(root_fd, first) is not None))
            with probe.step(twice):
                _insist(_is_refused(lambda: exclusive.publish(way, second, "probe", src_dir_fd=root_fd, dst_dir_fd=fd)))
                _insist(_content(root_fd, second) == whole and _content(fd, "probe") == whole + bytes(_MARK))
            if way is Way.FOLDER:
                with probe.step(twice), folders.opened(root_fd, parent) as parent_fd:
                    _insist(not exclusive.anew(parent_fd, name) and identity(fd, "probe") is not None)


def _insist(is_so: bool) -> None:
    """Of what a call that went well has to have done."""
    if not is_so:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


def _is_refused(call) -> bool:
    try:
        call()
    except FileExistsError:
        return True
    return False


def _append(fd: int, name: str) -> None:
    file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    try:
        durable.write_all(file, _MARK)
    finally:
        os.close(file)


def _content(fd: int, name: str) -> bytes:
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd), "rb") as file:
        return file.read()


def _is_one(root_fd: int, one: str, other: str) -> bool:
    """Whether a file that is made under the one name is found under the other. Raises ProbeFailed."""
    with probe.staged_file(root_fd, one) as path, probe.step("letters"):
        return identity(root_fd, path.removesuffix(one) + other) is not None
