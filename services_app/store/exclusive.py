"""Giving a file its name where nothing has that name: each way of it, in one place (ADR 0047). Which one a store takes: ways.py."""

import contextlib
import ctypes
import errno
import os
from dataclasses import dataclass
from enum import StrEnum

from . import folders
from .whole import identity

_RENAME_NOREPLACE = 1
_CLAIM = ".claim"  # behind the name of a document that is being put
_CLAIM_HOLDS = 3600  # seconds; one that waits for a store that stalls is younger

_libc = ctypes.CDLL(None, use_errno=True)
_renameat2 = getattr(_libc, "renameat2", None)
if _renameat2 is not None:
    _renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)


class Way(StrEnum):
    """How a store does it, the best first."""

    LINK = "link"  # a second name of the same file; the first one stays
    RENAME = "rename"  # renameat2(2) with RENAME_NOREPLACE; the first name is gone
    FOLDER = "folder"  # a plain rename into a folder that was made for it a moment ago, which is empty; the first name is gone


@dataclass(frozen=True, slots=True)
class Traits:
    """What init_store found of a store: its way, and which names it takes for one."""

    way: Way = Way.LINK
    folds_case: bool = False
    normalises: bool = False  # composed and decomposed letters (Unicode NFC, NFD)


def publish(way: Way, source: str, name: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
    """Give the file `source` this name. By Way.FOLDER it must lie in the folder that `anew` made.

    Raises FileExistsError where something has the name, or by Way.FOLDER lies in the folder: nothing is done then. OSError; ENOTSUP of
    a link that is no second name of the file, which is taken back.
    """
    if way is Way.LINK:
        _link(source, name, src_dir_fd, dst_dir_fd)
    elif way is Way.RENAME:
        rename_noreplace(source, name, src_dir_fd, dst_dir_fd)
    else:
        with folders.opened(dst_dir_fd, os.path.dirname(name) or ".") as fd:
            if os.listdir(fd):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.rename(source, name, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)


def take_back(way: Way, source: str, name: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
    """Undo what `publish` has just done. Raises OSError."""
    if way is Way.LINK:
        os.unlink(name, dir_fd=dst_dir_fd)
    else:
        os.rename(name, source, src_dir_fd=dst_dir_fd, dst_dir_fd=src_dir_fd)


def anew(parent_fd: int, name: str) -> bool:
    """Make a folder in the place of an empty one, or of none. False, and nothing is done, where something lies in it. mkdir is
    exclusive on every file system: what is in the folder behind this was put there by somebody who saw it empty. Raises OSError.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=parent_fd)
    except OSError as exc:
        if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    os.mkdir(name, folders.MODE, dir_fd=parent_fd)
    return True


def put(way: Way, aside: str, name: str, fd: int) -> None:
    """Give a document that lies in the folder `fd` as `aside` its name there; `aside` may stay, and is then a second name of it.

    Raises FileExistsError where something has the name; OSError, EAGAIN where somebody else is at it by Way.FOLDER.
    """
    if way is not Way.FOLDER:
        publish(way, aside, name, src_dir_fd=fd, dst_dir_fd=fd)
        return
    claim = f".{name.removeprefix('.')}{_CLAIM}"
    try:
        os.mkdir(claim, folders.MODE, dir_fd=fd)
    except FileExistsError as exc:
        # By the store's clock: `aside` was written a moment ago. Of one that a kill left.
        if os.stat(aside, dir_fd=fd).st_mtime - os.stat(claim, dir_fd=fd).st_mtime > _CLAIM_HOLDS:
            os.rmdir(claim, dir_fd=fd)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from exc
    try:
        if identity(fd, name) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.rename(aside, name, src_dir_fd=fd, dst_dir_fd=fd)
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(claim, dir_fd=fd)


def rename_noreplace(source: str, name: str, src_dir_fd: int, dst_dir_fd: int) -> None:
    """renameat2(2). Raises OSError, FileExistsError where something has the name; EINVAL where the file system has no such call."""
    if _renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _renameat2(src_dir_fd, os.fsencode(source), dst_dir_fd, os.fsencode(name), _RENAME_NOREPLACE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _link(source: str, name: str, src_dir_fd: int, dst_dir_fd: int) -> None:
    before = os.stat(source, dir_fd=src_dir_fd, follow_symlinks=False)
    os.link(source, name, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=False)
    # Some file systems copy, and an object would then be whatever came of that: nobody has compared or synced it.
    if not os.path.samestat(before, os.stat(name, dir_fd=dst_dir_fd, follow_symlinks=False)):
        os.unlink(name, dir_fd=dst_dir_fd)
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
