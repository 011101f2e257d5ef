"""Answers while the sender is still sending.

A server that answers and closes with unread data in its socket makes the kernel send a reset, which reaches nginx
before the answer does: the sender sees a 502. Measured cure (ADR 0004): send the answer, read nothing for a moment so
that nginx sees the answer first, then read until nginx hangs up.
"""

import contextlib
import json
import time
from functools import partial
from http import HTTPStatus

from django.http import HttpResponse

from .errors import Problem

_SETTLE = 0.1  # seconds before the first read
_DRAIN_FOR = 5.0  # seconds of reading at most


class DrainingResponse(HttpResponse):
    """A response after which the rest of the request's body is read and dropped."""

    def __init__(self, *args, environ: dict, **kwargs):
        super().__init__(*args, **kwargs)
        self._socket = environ.get("gunicorn.socket")

    def close(self):
        """Called by the WSGI server once the answer is on the wire."""
        super().close()
        if self._socket is None:
            return
        time.sleep(_SETTLE)
        scratch, deadline = bytearray(1 << 16), time.monotonic() + _DRAIN_FOR
        with contextlib.suppress(OSError):
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if not self._socket.recv_into(scratch):
                    return


def problem_response(problem: Problem, request) -> HttpResponse:
    """The RFC 9457 answer, with Retry-After and Allow where they belong."""
    content = json.dumps(problem.document()).encode()
    kind = partial(DrainingResponse, environ=request.META) if _body_is_unread(request) else HttpResponse
    # After any other refusal of its HEAD tus-js-client begins at byte 0; after this one it asks again.
    status = HTTPStatus.LOCKED if _asks_by_tus(request) and problem.retry_after is not None else problem.status
    response = kind(content, status=status, content_type="application/problem+json", reason=problem.reason)
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    if allowed := getattr(problem, "allowed", None):
        response["Allow"] = ", ".join(allowed)
    return response


def _asks_by_tus(request) -> bool:
    return request.method == "HEAD" and "HTTP_TUS_RESUMABLE" in request.META


def _body_is_unread(request) -> bool:
    reader = request.body_reader
    if reader is not None and reader.length is not None:
        return reader.received < reader.length
    return request.META.get("CONTENT_LENGTH", "") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in request.META
