"""The files of a folder beside the archive that brought them: made out of sight, and there all at once or not at all (ADR 0044).

    collections/<slug>/<year>/<month>/<upload_id>/<name>.unpacked/contents.json     path, size and SHA-256 of each file
                                                                  files/<folder>/…  the files
    staging/<upload_id>.<try>.tree/                                                 the same while it is made

Names come from a sender. None is ever joined to a path: each part is opened or made in the folder before it, and no link is followed.
"""

import contextlib
import errno
import hashlib
import json
import os
import stat
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from . import durable, folders, sentinel
from .absence import in_place
from .errors import NO_FILE, NameRefused, ObjectExists, ObjectUnknown, StoreUnavailable, from_os_error, translated
from .nas import TREE_SUFFIX, UNPACKED_SUFFIX, LocalFileSystemStorage
from .sentinel import STAGING
from .whole import identity

CONTENTS, FILES = "contents.json", "files"

_REMOVING = f".removing{TREE_SUFFIX}"
_FILE, _CLOSED_FOLDER = 0o440, 0o550
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# One behind the other each small file would wait for the disk. Of many that are written first, most is there when the first is asked for.
_AT_ONCE = 32  # files that are synced together; so many are open (services_app/config/descriptors.py)
_NOT_DURABLE = 64 << 20  # bytes: others wait for the same disk
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}


class Descent:
    """Opens folders below one, part by part; the last way is kept open, since what comes next mostly lies near."""

    def __init__(self, fd: int, *, makes: bool = False):
        """`makes`: folders that are not there, below one that is empty and nobody else's."""
        self._made: set[bytes] | None = set() if makes else None  # digests of their paths, as folder.py keeps them
        self._parts, self._fds = [], [os.dup(fd)]

    def into(self, parts: Sequence[str]) -> int:
        """A descriptor that is good until the next call. Raises OSError: FileExistsError where one is to be made that is there under
        another name, which the store takes for the same.
        """
        while self._parts != list(parts[: len(self._parts)]):
            self._parts.pop()
            os.close(self._fds.pop())
        for part in parts[len(self._parts) :]:
            if self._made is not None:
                self._make(part)
            self._fds.append(os.open(part.encode(), folders.OPEN, dir_fd=self._fds[-1]))
            self._parts.append(part)
        return self._fds[-1]

    def _make(self, part: str) -> None:
        its = hashlib.blake2b("/".join((*self._parts, part)).encode(), digest_size=16).digest()
        if its not in self._made:
            os.mkdir(part.encode(), folders.MODE, dir_fd=self._fds[-1])
            self._made.add(its)

    def __enter__(self) -> "Descent":
        return self

    def __exit__(self, *_exc) -> None:
        while self._fds:
            os.close(self._fds.pop())


class StagedTree:
    """One try. Use as a context manager: what was not published is removed. Raises StoreError only."""

    def __init__(self, store: LocalFileSystemStorage, root_fd: int, upload_id: uuid.UUID):
        """`root_fd`: of `store.mounted()`, and stays open as long as this."""
        self._store, self._root_fd, self._name = store, root_fd, f"{upload_id}.{uuid.uuid4().hex}{TREE_SUFFIX}"
        self._unsynced, self._written = [], 0
        with translated(), contextlib.ExitStack() as undoing:
            os.mkdir(f"{STAGING}/{self._name}", folders.MODE, dir_fd=root_fd)
            undoing.callback(self._discard)
            self._fd = os.open(f"{STAGING}/{self._name}", folders.OPEN, dir_fd=root_fd)
            undoing.callback(os.close, self._fd)
            os.mkdir(FILES, folders.MODE, dir_fd=self._fd)
            self._contents_fd = os.open(CONTENTS, _NEW, _FILE, dir_fd=self._fd)
            undoing.callback(os.close, self._contents_fd)
            with folders.opened(self._fd, FILES) as fd:
                self._descent = Descent(fd, makes=True)
            undoing.pop_all()

    def __enter__(self) -> "StagedTree":
        return self

    def __exit__(self, *_exc) -> None:
        self._descent.__exit__()
        for fd in (*self._unsynced, self._contents_fd, self._fd):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._discard()

    def add_folder(self, parts: Sequence[str]) -> None:
        with _of_names():
            self._descent.into(parts)

    def add_file(self, parts: Sequence[str], content: Iterable[memoryview]) -> None:
        """Raises NameRefused, StoreFull, StoreUnavailable, and whatever `content` raises."""
        with _of_names():
            fd = os.open(parts[-1].encode(), _NEW, _FILE, dir_fd=self._descent.into(parts[:-1]))
        self._unsynced.append(fd)
        for piece in content:
            with translated():
                durable.write_all(fd, piece)
            self._written += len(piece)
            if self._written >= _NOT_DURABLE:
                self._sync(last=False)
        if len(self._unsynced) >= _AT_ONCE:
            self._sync()

    def write_contents(self, text: bytes) -> None:
        """Append to the manifest of contents."""
        with translated():
            durable.write_all(self._contents_fd, memoryview(text))

    def publish(self, directory: tuple[str, ...], name: str) -> None:
        """Make all of it durable, and put it beside the object `name` by one rename. Raises ObjectExists where something lies there that
        is not empty, ObjectUnknown where the object does not, StoreFull or StoreUnavailable.
        """
        self._sync()
        with translated():
            os.fsync(self._contents_fd)
            _close_all(self._fd, FILES)
            durable.sync_directory(self._fd)
            if not sentinel.still_mounted(self._store.root, self._root_fd):
                raise StoreUnavailable
        with translated(missing=ObjectUnknown), in_place(self._root_fd, directory) as folder_fd:
            if identity(folder_fd, name) is None:
                raise ObjectUnknown
            with folders.opened(self._root_fd, STAGING) as staging_fd:
                try:
                    os.rename(self._name, name + UNPACKED_SUFFIX, src_dir_fd=staging_fd, dst_dir_fd=folder_fd)
                except OSError as exc:
                    if exc.errno in _TAKEN:
                        raise ObjectExists from exc
                    raise
                durable.sync_directory(folder_fd)
                durable.sync_directory(staging_fd)

    def _sync(self, *, last: bool = True) -> None:
        """Of all that was written; the last file is gone on with, or not."""
        with translated():
            while len(self._unsynced) > (0 if last else 1):
                durable.sync_and_close(self._unsynced.pop(0))
            for fd in self._unsynced:
                os.fsync(fd)
        self._written = 0

    def _discard(self) -> None:
        with contextlib.suppress(OSError), folders.opened(self._root_fd, STAGING) as staging_fd:
            _remove_staged(staging_fd, self._name)


@contextlib.contextmanager
def _of_names() -> Iterator[None]:
    """OSError → StoreError, of calls with names that a sender chose. One that is there already is another one to the sender only."""
    try:
        yield
    except FileExistsError as exc:
        raise NameRefused("EEXIST") from exc
    except OSError as exc:
        raise from_os_error(exc, naming=True) from exc


def _close_all(parent_fd: int, name: str) -> None:
    """Make a folder and all in it durable, from below, and take everybody's leave to write; a store that keeps no modes stores all
    the same. Raises OSError.
    """
    with folders.opened(parent_fd, name) as fd:
        with os.scandir(fd) as entries:
            inner = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        for each in inner:
            _close_all(fd, each)
        with contextlib.suppress(OSError):
            os.fchmod(fd, _CLOSED_FOLDER)
        durable.sync_directory(fd)


def abandoned(store: LocalFileSystemStorage, upload_id: uuid.UUID | None = None) -> Iterator[str]:
    """Trees in staging, by their names: of this upload, or of all. Raises StoreUnavailable."""
    with store.mounted() as root_fd, translated(), folders.opened(root_fd, STAGING) as staging_fd:
        names = os.listdir(staging_fd)
    yield from (name for name in names if name.endswith(TREE_SUFFIX) and (upload_id is None or name.startswith(f"{upload_id}.")))


def discard(store: LocalFileSystemStorage, name: str) -> None:
    """Remove one of them. Whoever is still at it can publish it no more. Raises StoreUnavailable."""
    with store.mounted() as root_fd, translated(), folders.opened(root_fd, STAGING) as staging_fd:
        _remove_staged(staging_fd, name)


def _remove_staged(staging_fd: int, name: str) -> None:
    """By another name first: a tree that is half removed must never be published. Raises OSError."""
    aside = name if name.endswith(_REMOVING) else name.removesuffix(TREE_SUFFIX) + _REMOVING
    if aside != name:
        try:
            os.rename(name, aside, src_dir_fd=staging_fd, dst_dir_fd=staging_fd)
        except FileNotFoundError:  # published, or somebody else's by now
            return
    folders.remove(staging_fd, aside)


@contextlib.contextmanager
def beside(root_fd: int, directory: tuple[str, ...], name: str) -> Iterator[int | None]:
    """The tree of an object as a descriptor, for the length of a `with` block; None where there is none. Raises ObjectExists of a link or
    a file in its place, StoreUnavailable.
    """
    with contextlib.ExitStack() as opened, translated():
        folder_fd = opened.enter_context(in_place(root_fd, directory))
        try:
            fd = opened.enter_context(folders.opened(folder_fd, name + UNPACKED_SUFFIX))
        except FileNotFoundError:
            fd = None
        except OSError as exc:
            if exc.errno in (errno.ENOTDIR, errno.ELOOP):
                raise ObjectExists from exc
            raise
        yield fd


def make_durable(root_fd: int, directory: tuple[str, ...]) -> None:
    """Of a tree that was found: whoever put it there may not have got so far. Raises StoreUnavailable."""
    with translated(), in_place(root_fd, directory) as folder_fd:
        durable.sync_directory(folder_fd)


@contextlib.contextmanager
def _contents(tree_fd: int) -> Iterator[BinaryIO | None]:
    try:
        fd = os.open(CONTENTS, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=tree_fd)
    except OSError as exc:
        if exc.errno not in {errno.ENOENT, *NO_FILE}:
            raise
        yield None
        return
    with os.fdopen(fd, "rb") as file:
        yield file if stat.S_ISREG(os.fstat(fd).st_mode) else None


def contents_digest(tree_fd: int) -> str:
    """SHA-256 (hex) of the manifest of contents as it stands; empty where there is none, or something else. Raises OSError."""
    with _contents(tree_fd) as file:
        return "" if file is None else hashlib.file_digest(file, "sha256").hexdigest()


def contents(tree_fd: int) -> list[dict]:
    """The files that it names. Only of one whose digest is right. Raises OSError."""
    with _contents(tree_fd) as file:
        return json.load(file)["files"]
