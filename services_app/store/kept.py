"""Small documents that are put onto the NAS once and never changed: <NAS_ROOT>/checkpoints/<name>.

Append-only by name: whatever the store's way is, it fails where the name is taken.
"""

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator

from . import durable, exclusive, folders, sentinel
from .errors import NO_FILE, OF_ONE, translated
from .nas import LocalFileSystemStorage

FOLDER = "checkpoints"
_MODE = 0o440
_LONGEST = 1 << 20  # bytes


def put(store: LocalFileSystemStorage, name: str, content: bytes) -> bool:
    """Keep it, durable. False, and nothing is done, where something has that name. Raises StoreFull, StoreUnavailable."""
    with store.mounted() as root_fd, translated():
        folders.make(root_fd, ".", FOLDER)
        with folders.opened(root_fd, FOLDER) as folder_fd:
            aside = f".{name}.{uuid.uuid4().hex}"
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE, dir_fd=folder_fd)
            try:
                try:
                    durable.write_all(fd, memoryview(content))
                except OSError:
                    os.close(fd)
                    raise
                durable.sync_and_close(fd)
                exclusive.put(sentinel.traits(root_fd).way, aside, name, folder_fd)
            except FileExistsError:
                return False
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(aside, dir_fd=folder_fd)
            durable.sync_directory(folder_fd)
            return True


def documents(store: LocalFileSystemStorage, *, last_first: bool = False) -> Iterator[tuple[str, str | None]]:
    """Name and text of each, in the order of their names, as `text_of`; a folder that is none is told as an empty text.

    Raises StoreUnavailable.
    """
    with store.mounted() as root_fd, translated():
        try:
            with folders.opened(root_fd, FOLDER) as folder_fd:
                for name in sorted((name for name in os.listdir(folder_fd) if not name.startswith(".")), reverse=last_first):
                    yield name, text_of(folder_fd, name)
        except FileNotFoundError:
            return
        except OSError as exc:
            if exc.errno not in OF_ONE:
                raise
            yield FOLDER, "" if exc.errno in NO_FILE else None


def text_of(folder_fd: int, name: str) -> str | None:
    """A small file's text; empty where it is none, None where it cannot be read: one of them is no reason to leave the others. Raises
    OSError.
    """
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)
        try:
            return _text(fd)
        finally:
            os.close(fd)
    except UnicodeDecodeError:
        return ""
    except OSError as exc:
        if exc.errno not in OF_ONE:
            raise
        return "" if exc.errno in NO_FILE else None


def _text(fd: int) -> str:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return ""
    found = b""
    while piece := os.read(fd, _LONGEST - len(found)):
        found += piece
    return found.decode()
