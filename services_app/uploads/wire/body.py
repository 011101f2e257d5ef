"""The raw body of one request, received into a buffer that the caller reuses.

gunicorn's own reader copies a body several times, and returns only when it has as much as it was asked for, so that a
slow sender would escape the clock. With a declared length the bytes can be received straight from the socket (about
half the CPU over mTLS); `_take_over` does that. A chunked body is taken from gunicorn's parser, piece by piece as they
come. Both are guarded by the version that they were measured with; another one's reader is used as it is.
"""

import contextlib
import time
from collections.abc import Iterator

import gunicorn
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import ChunkMissingTerminator, ParseException

from services_app.config import connections
from services_app.uploads.errors import BodyCutOff, DeadlinePassed, Problem, RequestMalformed, TooSlow

from .pace import Allowance, Pace

_DIRECT_WITH = (27,)  # major versions of gunicorn whose internals are known here
_FLUSH_AFTER = 1.0  # seconds: what came in is handed on by then, however little it is


class RequestBody:
    """Body bytes in order, with a count and a clock.

    `length` is the declared length, or None for a chunked body. `received` counts the bytes handed out; `connection` is the
    socket below, if there is one. Only time spent
    waiting for the sender counts against its pace: a slow store is not the sender's fault.
    """

    def __init__(self, environ: dict, length: int | None, pace: Pace):
        self.length, self.received = length, 0
        self._broken_off: Problem | None = None
        self._input = environ["wsgi.input"]
        self.connection = environ.get("gunicorn.socket")
        if self.connection is not None:
            self.connection.settimeout(pace.idle_timeout)
        known = gunicorn.version_info[0] in _DIRECT_WITH
        reader = getattr(self._input, "reader", None) if known else None
        self._prefix = self._pieces = None
        if length is not None and isinstance(reader, LengthReader) and self.connection is not None:
            self._prefix = self._take_over(reader)
        elif length is None and isinstance(reader, ChunkedReader):
            self._pieces, self._piece = reader.parser, memoryview(b"")
        self._deadline = time.monotonic() + pace.deadline
        self._allowance = Allowance(pace)

    def fill(self, buffer: memoryview) -> int:
        """Receive into `buffer` until it is full, the body ends, or about a second has passed; return the count.

        0 is the end of the body. Raises BodyCutOff when it ends before its length or a chunked body is not terminated,
        TooSlow and DeadlinePassed by the pace, RequestMalformed for bad chunks.
        """
        if self._broken_off is not None:
            raise self._broken_off
        connections.give_back()
        count, began = 0, time.monotonic()
        while count < len(buffer):
            before = time.monotonic()
            try:
                got = self._receive(buffer[count:])
                now = time.monotonic()
                count += got
                self.received += got
                if now > self._deadline:
                    raise DeadlinePassed
                self._allowance.spend(now - before, got)
            except Problem as exc:
                if count == 0:
                    raise
                self._broken_off = exc  # what came before it is handed out first
                break
            if got == 0 or now - began >= _FLUSH_AFTER:
                break
        return count

    def drain(self, most: int, seconds: float) -> bool:
        """Drop what is left, if that is at most `most` bytes and comes within `seconds`. Whether the body is at its end then."""
        if self.length is not None and self.length - self.received > most:
            return False
        self._allowance = Allowance(Pace(idle_timeout=seconds, min_rate=0, window=seconds, deadline=seconds))
        self._deadline = time.monotonic() + seconds
        if self.connection is not None:
            self.connection.settimeout(seconds)
        scratch = memoryview(bytearray(1 << 16))
        with contextlib.suppress(Problem):
            while most >= 0:
                got = self.fill(scratch)
                if got == 0:
                    return True
                most -= got
        return False

    def _receive(self, view: memoryview) -> int:
        try:
            return self._receive_some(view)
        except TimeoutError as exc:
            raise TooSlow from exc
        except OSError as exc:
            raise BodyCutOff from exc

    def _receive_some(self, view: memoryview) -> int:
        if self._pieces is not None:
            return self._next_piece(view)
        if self._prefix is None:
            return self._read(view)
        missing = self.length - self.received
        if missing == 0:
            return 0
        view = view[:missing]
        if self._prefix:
            got = min(len(view), len(self._prefix))
            view[:got] = self._prefix[:got]
            self._prefix = self._prefix[got:]
            return got
        got = self.connection.recv_into(view)
        if got == 0:
            raise BodyCutOff
        return got

    def _next_piece(self, view: memoryview) -> int:
        if not self._piece:
            with _named():
                # A piece may be empty: the size of a chunk came, and nothing of the chunk yet.
                self._piece = memoryview(next(filter(None, self._pieces), b""))
        got = min(len(view), len(self._piece))
        view[:got] = self._piece[:got]
        self._piece = self._piece[got:]
        return got

    def _read(self, view: memoryview) -> int:
        """By gunicorn's reader. A vanished client looks like a normal end to it, so the count is compared."""
        with _named():
            data = self._input.read(min(len(view), 1 << 20))
        if not data and self.length is not None and self.received < self.length:
            raise BodyCutOff
        view[: len(data)] = data
        return len(data)

    def _take_over(self, reader: LengthReader) -> bytes:
        """What gunicorn holds of the body already, after making it believe that all was read."""
        held = self._input.buf.getvalue() + reader.unreader.take_buffered()
        reader.length = 0
        return held[: self.length]


@contextlib.contextmanager
def _named() -> Iterator[None]:
    """gunicorn's parse errors → ours."""
    try:
        yield
    except ChunkMissingTerminator as exc:
        raise BodyCutOff from exc
    except ParseException as exc:
        raise RequestMalformed from exc
