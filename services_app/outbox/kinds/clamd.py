"""ClamAV's clamd: the bytes are streamed to it (INSTREAM, clamd(8)), with flat memory, and it says what it found.

What it could not look at whole is not clean: beyond `max_size` nothing is sent, and a limit of its own that it names is said. It says
nothing of MaxScanSize and MaxFileSize unless its `AlertExceedsMax` is on: docs/operations.md.
"""

import contextlib
import hashlib
import os
import re
import select
import socket
import struct
import time
from collections.abc import Iterator

from services_app.hooks.hook import Hook
from services_app.outbox.handed import Handed, Outcome, as_code
from services_app.store.errors import StoreError
from services_app.store.nas import LocalFileSystemStorage

from .deadline import cut_off

_PIECE = 256 << 10  # bytes
_LONGEST_REPLY = 4096
_FOUND = re.compile(r"stream: (.+) FOUND")
_NOT_WHOLE = "Heuristics.Limits.Exceeded"


def run(hook: Hook, handed: Handed, store: LocalFileSystemStorage) -> Outcome:
    if handed.size > hook.max_size:
        return Outcome.never("larger_than_max_size")
    ends = time.monotonic() + hook.timeout
    try:
        with store.reading(handed.name) as fd, _connected(hook) as connection, cut_off(connection, ends - time.monotonic()):
            reply, digest = _stream(connection, fd)
    except StoreError as exc:
        return Outcome.again(type(exc).__name__)
    except OSError as exc:
        return Outcome.again("timeout" if time.monotonic() >= ends else type(exc).__name__)
    if not reply:
        return Outcome.again("timeout" if time.monotonic() >= ends else "cut_off")
    return _judged(reply, is_whole=digest == handed.sha256)


@contextlib.contextmanager
def _connected(hook: Hook) -> Iterator[socket.socket]:
    kind, _, place = hook.address.partition(":")
    if kind == "unix":
        connection, place = socket.socket(socket.AF_UNIX), place
        connection.settimeout(hook.timeout)
        try:
            connection.connect(place)
        except OSError:
            connection.close()
            raise
    else:
        host, _, port = place.rpartition(":")
        connection = socket.create_connection((host.strip("[]"), int(port)), timeout=hook.timeout)
    with connection:
        yield connection


def _stream(connection: socket.socket, fd: int) -> tuple[str, str]:
    """What it replies, and the SHA-256 of what it was sent. Raises OSError."""
    digest = hashlib.sha256()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it says why before it hangs up
        connection.sendall(b"zINSTREAM\0")
        while not select.select([connection], [], [], 0)[0] and (piece := os.read(fd, _PIECE)):
            digest.update(piece)
            connection.sendall(struct.pack("!I", len(piece)))
            connection.sendall(piece)
        connection.sendall(struct.pack("!I", 0))
    return _reply(connection), digest.hexdigest()


def _reply(connection: socket.socket) -> str:
    """Empty where it hung up in the middle of it."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while len(said) < _LONGEST_REPLY and (piece := connection.recv(_LONGEST_REPLY)):
            said += piece
            if b"\0" in said:
                return said.partition(b"\0")[0].decode(errors="replace").strip()
    return ""


def _judged(reply: str, *, is_whole: bool) -> Outcome:
    """`is_whole`: it was sent the very bytes that were stored."""
    if found := _FOUND.fullmatch(reply):
        name = as_code(found[1])
        return Outcome.never(name) if name.startswith(_NOT_WHOLE) else Outcome.found(name)
    if reply == "stream: OK":
        return Outcome.taken("clean") if is_whole else Outcome.again("other_bytes")
    return Outcome.never("stream_max_length") if "size limit exceeded" in reply else Outcome.again("clamd_error")
