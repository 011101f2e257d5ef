"""Is an archive that says it is a folder one that unpacks into one folder, anywhere, and into nothing else? (ADR 0037)

It says so itself, in its first bytes: a pax global header with the comment MARK. Then it is held to that before it is published,
by one pass over its headers. Any other tar is a file like all others, and nobody looks into it.
"""

import itertools
import re
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from typing import NamedTuple

from services_app.uploads.errors import FolderRefused

from . import buffers

MARK = b"25 comment=sluice folder\n"
MOST_FILES = 100_000  # and as many folders
IN_A_TURN = 300  # members, which take some 20 ms of the interpreter at most
_BETWEEN = 0.001  # seconds, in which those who wait for theirs come first: a lock does not know who was there before
MOST_PARTS = 32  # of a path
LONGEST_PATH, LONGEST_PART = 1024, 255  # bytes

_BLOCK = 512
_RECORD = 20 * _BLOCK  # to which many programs fill up
_WINDOW = 8 * _BLOCK  # read at once: all headers of one member, and those of short ones behind it
_MOST_RECORDS = 6 * _BLOCK  # bytes of an extended header
_ZEROS = bytes(_BLOCK)
_FITS = 8**11  # a smaller size stands in the plain header, and nowhere else

_PAX, _GLOBAL, _FOLDER, _FILES = b"x", b"g", b"5", (b"0", b"\0")
_OCTAL = re.compile(rb" *([0-7]{1,12})[ \0]*")
_RECORD_OF_PAX = re.compile(rb"([1-9][0-9]{0,4}) ([a-z]+)=")
# What changes neither where a member goes nor what is in it.
_HARMLESS = {b"atime", b"comment", b"ctime", b"gid", b"gname", b"mtime", b"uid", b"uname"}
_ELSEWHERE = ("", ".", "..")
_DRIVE = re.compile(r"[A-Za-z]:")


def is_said_by(head: bytes) -> bool:
    """Of the first bytes of a file, at least two blocks if it has them."""
    return head[156:157] == _GLOBAL and head[_BLOCK : 2 * _BLOCK].rstrip(b"\0") == MARK


class Member(NamedTuple):
    """A file whose `size` bytes stand at `offset` in the archive, or a folder (`offset` None); `parts` of its path lead nowhere else."""

    parts: list[str]
    size: int = 0
    offset: int | None = None


def check(read: Callable[[memoryview, int], int], size: int, turn: Callable[[], AbstractContextManager] = nullcontext) -> bool:
    """Of the `size` bytes that `read(buffer, offset)` reads back; contents are passed over. False, and nothing is looked at or raised,
    where they do not say that they are a folder. `turn` is held while it is looked at, and let go every IN_A_TURN members (judging.py).

    Raises FolderRefused, and whatever `read` raises.
    """
    with buffers.wiped(_WINDOW) as buffer:
        count = read(buffer, 0)
        if not is_said_by(bytes(buffer[: min(count, 2 * _BLOCK)])):
            return False
        looked_at, there_is_more = _members(_Archive(read, size, buffer)), True
        while there_is_more:
            with turn():
                there_is_more = sum(1 for _ in itertools.islice(looked_at, IN_A_TURN)) == IN_A_TURN
            if there_is_more:
                time.sleep(_BETWEEN)
        return True


def members(read: Callable[[memoryview, int], int], size: int) -> Iterator[Member]:
    """What is in one that says it is a folder, in its order. The last rule is looked at behind the last member, so nothing may come of
    those before until all are told. Raises as `check`.
    """
    with buffers.wiped(_WINDOW) as buffer:
        count = read(buffer, 0)
        if not is_said_by(bytes(buffer[: min(count, 2 * _BLOCK)])):
            raise FolderRefused("form")
        yield from _members(_Archive(read, size, buffer))


class _Archive:
    """Reads headers, a window at a time."""

    def __init__(self, read: Callable[[memoryview, int], int], size: int, buffer: memoryview):
        self._read, self.size, self._buffer = read, size, buffer
        self._start = self._end = 0

    def bytes(self, at: int, count: int) -> bytes:
        """`count` bytes, _WINDOW at most. Raises FolderRefused where it ends before that."""
        if not (self._start <= at and at + count <= self._end):
            self._start, self._end = at, at + self._read(self._buffer, at)
        if at + count > self._end:
            raise FolderRefused("length")
        return bytes(self._buffer[at - self._start : at - self._start + count])

    def header(self, at: int) -> tuple[bytes, bytes, int]:
        """Kind, name and size of the header at this offset. Raises FolderRefused."""
        block = self.bytes(at, _BLOCK)
        name, prefix = block[:100].split(b"\0", 1)[0], block[345:500].split(b"\0", 1)[0]
        # The sum is counted with blanks in its own place.
        if block[257:265] != b"ustar\00000" or sum(block) - sum(block[148:156]) + 8 * 32 != _number(block[148:156]):
            raise FolderRefused("form")
        return block[156:157], prefix + b"/" + name if prefix else name, _number(block[124:136])


def _members(archive: _Archive) -> Iterator[Member]:
    seen, at = _Members(), 2 * _BLOCK
    while archive.bytes(at, _BLOCK) != _ZEROS:
        kind, name, size = archive.header(at)
        more = {}
        if kind == _PAX:
            if size > _MOST_RECORDS:
                raise FolderRefused("form")
            more = _records(archive.bytes(at + _BLOCK, size))
            at += _BLOCK + _padded(size)
            kind, name, size = archive.header(at)
        path = more.get(b"path", name)
        if b"size" in more:
            plain, size = size, _decimal(more[b"size"])
            # Two programs must not read two archives in it.
            if plain != (size if size < _FITS else 0):
                raise FolderRefused("form")
        if kind == _FOLDER and size == 0:
            yield Member(seen.add_folder(path, name))
        elif kind in _FILES:
            yield Member(seen.add_file(path, name), size, at + _BLOCK)
        else:
            raise FolderRefused("kind")
        at += _BLOCK + _padded(size)
        if at > archive.size:
            raise FolderRefused("length")
    rest = archive.size - at
    if not 2 * _BLOCK <= rest <= _RECORD or any(any(archive.bytes(each, _BLOCK)) for each in range(at, archive.size, _BLOCK)):
        raise FolderRefused("length")
    if not seen.files:
        raise FolderRefused("count")


class _Members:
    """Where everything goes. Kept as short digests, so that a hundred thousand long paths take no more room than short ones."""

    def __init__(self):
        self._root = None
        self.files, self._folders = set(), set()
        self._named = 0  # folders, those that are named again too

    def add_file(self, path: bytes, name: bytes) -> list[str]:
        parts = self._parts(path, name)
        its = _key(parts)
        if its in self.files or its in self._folders:
            raise FolderRefused("twice")
        self.files.add(its)
        if len(parts) < 2 or len(self.files) > MOST_FILES:
            raise FolderRefused("path" if len(parts) < 2 else "count")
        self._enter(parts[:-1])
        return parts

    def add_folder(self, path: bytes, name: bytes) -> list[str]:
        self._named += 1
        if self._named > MOST_FILES:
            raise FolderRefused("count")
        parts = self._parts(path.removesuffix(b"/"), name)
        self._enter(parts)
        return parts

    def _enter(self, parts: list[str]) -> None:
        """This folder is one, and all that it is in."""
        while parts and (its := _key(parts)) not in self._folders:
            if its in self.files:
                raise FolderRefused("twice")
            self._folders.add(its)
            if len(self._folders) > MOST_FILES:
                raise FolderRefused("count")
            parts = parts[:-1]

    def _parts(self, path: bytes, name: bytes) -> list[str]:
        """The parts of a path in the one folder. Raises FolderRefused for any that could lead elsewhere, for whoever reads extended
        headers and whoever does not.
        """
        _split(name.removesuffix(b"/"), "replace")
        parts = _split(path)
        self._root = self._root or parts[0]
        if parts[0] != self._root or len(parts) > MOST_PARTS or len(path) > LONGEST_PATH:
            raise FolderRefused("path")
        return parts


def _split(path: bytes, faulty: str = "strict") -> list[str]:
    try:
        text = path.decode("utf-8", faulty)
    except UnicodeDecodeError as exc:
        raise FolderRefused("path") from exc
    parts = text.split("/")
    if "\\" in text or _DRIVE.match(text) or not (text.isprintable() or all(unicodedata.category(each) != "Cc" for each in text)):
        raise FolderRefused("path")
    if any(part in _ELSEWHERE or len(part.encode()) > LONGEST_PART for part in parts):
        raise FolderRefused("path")
    return parts


def _key(parts: list[str]) -> bytes:
    """The same for paths that many file systems take for one."""
    return blake2b(unicodedata.normalize("NFC", "/".join(parts)).lower().encode(), digest_size=16).digest()


def _records(content: bytes) -> dict[bytes, bytes]:
    """POSIX.1-2001, "pax Extended Header": each record says its length. Raises FolderRefused."""
    found, at = {}, 0
    while at < len(content):
        match = _RECORD_OF_PAX.match(content, at)
        end = at + int(match[1]) if match else 0
        if not match or not match.end() < end <= len(content) or content[end - 1 : end] != b"\n" or match[2] in found:
            raise FolderRefused("form")
        found[match[2]] = content[match.end() : end - 1]
        at = end
    if found.keys() - _HARMLESS - {b"path", b"size"}:
        raise FolderRefused("form")
    return found


def _number(field: bytes) -> int:
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise FolderRefused("form")
    return int(match[1], 8)


def _decimal(value: bytes) -> int:
    if not re.fullmatch(rb"[0-9]{1,18}", value):
        raise FolderRefused("form")
    return int(value)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
