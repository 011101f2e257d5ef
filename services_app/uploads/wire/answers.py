"""Answers while the sender is still sending.

A server that answers and closes with unread data in its socket makes the kernel send a reset, which reaches nginx
before the answer does: the sender sees a 502. Measured cure (ADR 0004): send the answer, read nothing for a moment so
that nginx sees the answer first, then read until nginx hangs up.

A short body is read to its end first. nginx says `keep-alive` before it knows that it must close the connection for what
its client still sends, and the next request on that connection would be lost.
"""

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus

from django.http import HttpResponse

from services_app.uploads.errors import Problem

from .body import RequestBody
from .headers import body_length
from .pace import Pace

# What is left of a short body is read before the answer, if it is there.
_SHORT = 1 << 20  # bytes
_SHORTLY = 0.1  # seconds
_AT_ONCE = Pace(idle_timeout=_SHORTLY, min_rate=0, window=_SHORTLY, deadline=_SHORTLY)
_SETTLE = 0.1  # seconds before the first read
_DRAIN_FOR = 5.0  # seconds of reading at most
# So many threads may read that long at once, and so many for one person. Beyond that the answer has to get through in less: who is
# refused without end must not hold the threads that others need (ADR 0026).
_PATIENT, _PATIENT_WITH_ONE = 16, 8
_DRAIN_BRIEFLY = 0.2  # seconds

# nginx/maps/upload-route.conf (1) says the same of its own refusals.
_GIVEN_UP_UPON = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_COME_BACK = 5  # seconds


class DrainingResponse(HttpResponse):
    """A response after which the rest of the request's body is read and dropped."""

    def __init__(self, *args, environ: dict, person: str = "", **kwargs):
        super().__init__(*args, **kwargs)
        self._socket, self._person = environ.get("gunicorn.socket"), person

    def close(self):
        """Called by the WSGI server once the answer is on the wire."""
        try:
            super().close()  # tells Django, whose work at the end of a request may fail: the answer needs its moment all the same
        finally:
            self._drain()

    def _drain(self) -> None:
        if self._socket is None:
            return
        time.sleep(_SETTLE)
        with _draining.one(self._person) as seconds, contextlib.suppress(OSError):
            scratch, deadline = bytearray(1 << 16), time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if not self._socket.recv_into(scratch):
                    return


class _Draining:
    """Who is read out at this moment."""

    def __init__(self):
        self._lock, self._persons = threading.Lock(), Counter()

    @contextlib.contextmanager
    def one(self, person: str) -> Iterator[float]:
        """One more, for so many seconds at most."""
        with self._lock:
            is_patient = self._persons.total() < _PATIENT and self._persons[person] < _PATIENT_WITH_ONE
            self._persons[person] += 1
        try:
            yield _DRAIN_FOR if is_patient else _DRAIN_BRIEFLY
        finally:
            with self._lock:
                self._persons[person] -= 1
                self._persons += Counter()  # drops what is zero


_draining = _Draining()


def problem_response(problem: Problem, request) -> HttpResponse:
    """The RFC 9457 answer, with Retry-After and Allow where they belong."""
    status, retry_after = problem.status, problem.retry_after
    if _would_end_a_tus_client(problem, request):
        status, retry_after = HTTPStatus.LOCKED, retry_after or _COME_BACK
    content = json.dumps({**problem.document(), "status": int(status)}).encode()
    kind = HttpResponse if _is_read_out(request) else partial(DrainingResponse, environ=request.META, person=request.person)
    response = kind(content, status=status, content_type="application/problem+json", reason=problem.reason)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    if allowed := getattr(problem, "allowed", None):
        response["Allow"] = ", ".join(allowed)
    return response


def _would_end_a_tus_client(problem: Problem, request) -> bool:
    """After a refusal of its HEAD tus-js-client begins at byte 0, after a 4xx of anything else it gives up: all but 423, and
    409. So what passes is told as 423, upon which it asks again.
    """
    if "HTTP_TUS_RESUMABLE" not in request.META:
        return False
    return problem.status in _GIVEN_UP_UPON or (request.method == "HEAD" and problem.retry_after is not None)


def _is_read_out(request) -> bool:
    """Whether nothing of the body is left to be read."""
    length, coding = request.META.get("CONTENT_LENGTH", ""), request.META.get("HTTP_TRANSFER_ENCODING", "")
    if length in ("", "0") and not coding:
        return True
    with contextlib.suppress(Problem, OSError):  # of a socket that is closed already, too
        reader = request.body_reader or RequestBody(request.META, body_length(length, coding), _AT_ONCE)
        return reader.drain(_SHORT, _SHORTLY)
    return False
