"""What is in a folder's archive, file by file: the manifest of contents, which follows from the archive's bytes alone (ADR 0044).

    {"upload_id": "…", "sha256": "… of the archive", "files": [
    {"path": "series/0001.dcm", "size": 526336, "sha256": "…"},
    …
    ]}
"""

import hashlib
import json
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from services_app.uploads.errors import FolderRefused

from . import buffers, folder

_AT_ONCE = 1 << 20  # bytes


class Changed(Exception):
    """The archive is not what its receipt says, or no folder."""


class Tree(Protocol):
    """What becomes of the contents: services_app/store/tree.py."""

    def add_folder(self, parts: Sequence[str]) -> None: ...

    def add_file(self, parts: Sequence[str], content: Iterable[memoryview]) -> None: ...

    def write_contents(self, text: bytes) -> None: ...


class Nowhere:
    """They are only looked at."""

    def add_folder(self, parts: Sequence[str]) -> None:
        pass

    def add_file(self, parts: Sequence[str], content: Iterable[memoryview]) -> None:
        deque(content, maxlen=0)

    def write_contents(self, text: bytes) -> None:
        pass


class Contents(NamedTuple):
    """How many files there are, and the SHA-256 (hex) of the manifest."""

    files: int
    sha256: str


def unpack(
    read: Callable[[memoryview, int], int], upload_id: uuid.UUID, size: int, sha256: str, tree: Tree, go_on: Callable[[], None]
) -> Contents:
    """Put what is in the archive of `size` bytes into `tree`, reading it once. Nothing may be made of `tree` where this raises: only
    behind the last byte it is known that these are the bytes of the receipt, whose digest is `sha256`. `go_on` is asked on the way, and
    what it raises ends it.

    Raises Changed, and whatever `read` and `tree` raise.
    """
    digest, files = hashlib.sha256(), 0

    def write(text: str) -> None:
        digest.update(content := text.encode())
        tree.write_contents(content)

    with buffers.wiped(_AT_ONCE) as buffer:
        archive = _Archive(read, size, buffer, go_on)
        write(f'{{"upload_id": "{upload_id}", "sha256": "{sha256}", "files": [\n')
        try:
            for member in folder.members(read, size):
                if member.offset is None:
                    tree.add_folder(member.parts)
                    continue
                deque(archive.up_to(member.offset), maxlen=0)
                own = hashlib.sha256()
                tree.add_file(member.parts, archive.up_to(member.offset + member.size, own))
                line = {"path": "/".join(member.parts), "size": member.size, "sha256": own.hexdigest()}
                write((",\n" if files else "") + json.dumps(line, ensure_ascii=False))
                files += 1
            deque(archive.up_to(size), maxlen=0)
        except FolderRefused as exc:
            raise Changed from exc
        write("\n]}\n")
    if archive.digest.hexdigest() != sha256:
        raise Changed
    return Contents(files, digest.hexdigest())


class _Archive:
    """Reads on and on, and counts its digest as it does."""

    def __init__(self, read: Callable[[memoryview, int], int], size: int, buffer: memoryview, go_on: Callable[[], None]):
        self._read, self._size, self._buffer, self._go_on = read, size, buffer, go_on
        self._at, self.digest = 0, hashlib.sha256()

    def up_to(self, end: int, also=None) -> Iterator[memoryview]:
        """The bytes from where it stands; `also`: another digest of them. Raises Changed where there are fewer."""
        if not self._at <= end <= self._size:
            raise Changed
        self._go_on()
        while self._at < end:
            self._go_on()
            count = self._read(self._buffer[: min(len(self._buffer), end - self._at)], self._at)
            if count == 0:
                raise Changed
            piece = self._buffer[:count]
            self.digest.update(piece)
            if also is not None:
                also.update(piece)
            self._at += count
            yield piece
