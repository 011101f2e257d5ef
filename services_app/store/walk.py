"""What lies in the store, whatever the database says: for commands that compare the two."""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from . import folders, naming
from .errors import OF_ONE, translated
from .nas import COLLECTIONS, MANIFEST_SUFFIX, LocalFileSystemStorage

_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}  # what has its place is none: see is_in_the_way


@dataclass(frozen=True, slots=True)
class ObjectFolder:
    """The folder of one upload: its components below `collections/`, and what it holds by name (lstat); `is_closed` where it is there
    and the store does not say what it holds.
    """

    directory: tuple[str, ...]
    files: dict[str, os.stat_result]
    is_closed: bool = False

    @property
    def upload_id(self) -> str:
        return self.directory[-1]

    @property
    def manifest(self) -> str | None:
        """The name of its manifest: that of another file here, and the suffix; or what else has the suffix."""
        named = [name for name in self.files if name.endswith(MANIFEST_SUFFIX) and not name.startswith(".")]
        beside = [name for name in named if name.removesuffix(MANIFEST_SUFFIX) in self.files]
        return next(iter(beside or named), None)


def object_folders(store: LocalFileSystemStorage) -> Iterator[ObjectFolder]:
    """Every folder that has the place and the name of an object's, oldest first in each collection; those above them that cannot be
    opened are told by `closed_folders`. Raises StoreUnavailable.
    """
    with store.mounted() as root_fd, translated():
        for path, form in _levels(root_fd):
            if form is folders.ID:
                for upload_id in _named(root_fd, path, form) or ():
                    yield _folder(root_fd, (*path.split("/")[1:], upload_id))


def closed_folders(store: LocalFileSystemStorage) -> Iterator[str]:
    """Collections, years and months that the store does not open, as `foreign_files` names them. Raises StoreUnavailable."""
    with store.mounted() as root_fd, translated():
        yield from (_told(path) for path, form in _levels(root_fd) if _named(root_fd, path, form) is None)


def object_folder(root_fd: int, directory: tuple[str, ...]) -> ObjectFolder:
    """One of them; empty where it is not there, or no folder. Raises StoreUnavailable."""
    with translated():
        return _folder(root_fd, directory)


def check_there(store: LocalFileSystemStorage) -> None:
    """Something of one file or collection failed: is it that one alone? Raises StoreUnavailable where the store is away."""
    with store.mounted():
        pass


def is_in_the_way(root_fd: int, directory: tuple[str, ...]) -> bool:
    """Whether something has the place of that folder that is none: a link, a file. Raises StoreUnavailable."""
    with translated(), contextlib.suppress(FileNotFoundError):
        return not stat.S_ISDIR(os.stat("/".join((COLLECTIONS, *directory)), dir_fd=root_fd, follow_symlinks=False).st_mode)
    return False


def foreign_files(store: LocalFileSystemStorage) -> Iterator[str]:
    """Files that lie where only folders are, by the folder that they lie in. What begins with a dot or an @ is the NAS's own affair.

    Raises StoreUnavailable.
    """
    with store.mounted() as root_fd, translated():
        for path, form in _levels(root_fd):
            with _if_open(), folders.opened(root_fd, path) as fd, os.scandir(fd) as entries:
                if any(not e.name.startswith((".", "@")) and not _is_folder_of(e, form) for e in entries):
                    yield _told(path)


def _levels(root_fd: int) -> Iterator[tuple[str, re.Pattern]]:
    """Every folder above those of objects, and the form of the names in it."""
    yield COLLECTIONS, folders.SLUG
    for slug in _named(root_fd, COLLECTIONS, folders.SLUG) or ():
        yield f"{COLLECTIONS}/{slug}", folders.YEAR
        for year in _named(root_fd, f"{COLLECTIONS}/{slug}", folders.YEAR) or ():
            yield f"{COLLECTIONS}/{slug}/{year}", folders.MONTH
            for month in _named(root_fd, f"{COLLECTIONS}/{slug}/{year}", folders.MONTH) or ():
                yield f"{COLLECTIONS}/{slug}/{year}/{month}", folders.ID


def _named(root_fd: int, path: str, form: re.Pattern) -> list[str] | None:
    """None where it is not opened, which is told of it alone; `mounted` has seen that the store is there."""
    with _if_open():
        return folders.named(root_fd, path, form)
    return None


@contextlib.contextmanager
def _if_open() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno not in OF_ONE:
            raise


def _told(path: str) -> str:
    return path.removeprefix(f"{COLLECTIONS}/") if path != COLLECTIONS else "."


def _is_folder_of(entry: os.DirEntry, form) -> bool:
    return entry.is_dir(follow_symlinks=False) and form.fullmatch(entry.name) is not None


def _folder(root_fd: int, directory: tuple[str, ...]) -> ObjectFolder:
    found = {}
    try:
        with folders.opened(root_fd, "/".join((COLLECTIONS, *directory))) as fd:
            for name in sorted(os.listdir(fd)):
                with contextlib.suppress(FileNotFoundError):  # deleted a moment ago
                    found[naming.as_given(root_fd, name)] = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in {errno.ENOENT, *OF_ONE}:
            raise
        return ObjectFolder(directory, {}, exc.errno not in _NO_FOLDER)
    return ObjectFolder(directory, found)


def is_file(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode)
