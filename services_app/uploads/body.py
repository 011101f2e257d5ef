"""The raw body of one request, received into a buffer that the caller reuses.

gunicorn's own reader copies a body several times. With a declared length the bytes can be received straight from the
socket (about half the CPU over mTLS); `_take_over` does that, guarded by the version that it was measured with. Without
one, or with another version, gunicorn's reader is used as it is.
"""

import time
from dataclasses import dataclass

import gunicorn
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ChunkMissingTerminator, ParseException

from .errors import BodyCutOff, DeadlinePassed, RequestMalformed, TooSlow

_DIRECT_WITH = (27,)  # major versions of gunicorn whose internals `_take_over` knows
_FLUSH_AFTER = 1.0  # seconds: what came in is handed on by then, however little it is


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a sender may be. Seconds and bytes a second; a `min_rate` of 0 switches the minimum off."""

    idle_timeout: float
    min_rate: int
    window: float
    deadline: float


class RequestBody:
    """Body bytes in order, with a count and a clock.

    `length` is the declared length, or None for a chunked body. `received` counts the bytes handed out. Only time spent
    waiting for the sender counts against its pace: a slow store is not the sender's fault.
    """

    def __init__(self, environ: dict, length: int | None, pace: Pace):
        self.length, self.received = length, 0
        self._pace = pace
        self._input = environ["wsgi.input"]
        self._socket = environ.get("gunicorn.socket")
        if self._socket is not None:
            self._socket.settimeout(pace.idle_timeout)
        self._prefix = self._take_over() if length is not None else None
        self._deadline = time.monotonic() + pace.deadline
        self._waited = self._window_waited = 0.0
        self._window_start = 0

    def fill(self, buffer: memoryview) -> int:
        """Receive into `buffer` until it is full, the body ends, or about a second has passed; return the count.

        0 is the end of the body. Raises BodyCutOff when it ends before its length or a chunked body is not terminated,
        TooSlow and DeadlinePassed by the pace, RequestMalformed for bad chunks.
        """
        count, began = 0, time.monotonic()
        while count < len(buffer):
            before = time.monotonic()
            try:
                got = self._receive(buffer[count:])
            except TimeoutError as exc:
                raise TooSlow from exc
            except OSError as exc:
                raise BodyCutOff from exc
            now = time.monotonic()
            count += got
            self.received += got
            self._check_pace(now, now - before)
            if got == 0 or now - began >= _FLUSH_AFTER:
                break
        return count

    def _receive(self, view: memoryview) -> int:
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
        got = self._socket.recv_into(view)
        if got == 0:
            raise BodyCutOff
        return got

    def _read(self, view: memoryview) -> int:
        """By gunicorn's reader. A vanished client looks like a normal end to it, so the count is compared."""
        try:
            data = self._input.read(min(len(view), 1 << 20))
        except ChunkMissingTerminator as exc:
            raise BodyCutOff from exc
        except ParseException as exc:
            raise RequestMalformed from exc
        if not data and self.length is not None and self.received < self.length:
            raise BodyCutOff
        view[: len(data)] = data
        return len(data)

    def _take_over(self) -> bytes | None:
        """What gunicorn holds of the body already, after making it believe that all was read; None to leave it be."""
        reader = getattr(self._input, "reader", None)
        known = gunicorn.version_info[0] in _DIRECT_WITH and isinstance(reader, LengthReader)
        if not known or self._socket is None:
            return None
        held = self._input.buf.getvalue() + reader.unreader.take_buffered()
        reader.length = 0
        return held[: self.length]

    def _check_pace(self, now: float, waited: float) -> None:
        if now > self._deadline:
            raise DeadlinePassed
        self._waited += waited
        span = self._waited - self._window_waited
        if self._pace.min_rate and span >= self._pace.window:
            if self.received - self._window_start < self._pace.min_rate * span:
                raise TooSlow
            self._window_waited, self._window_start = self._waited, self.received
