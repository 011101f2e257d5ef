"""Which request is this about? nginx's own id, through both tiers, so that one search finds it everywhere."""

import re
from contextvars import ContextVar

_FORM = re.compile(r"[0-9a-f]{32}")  # nginx's $request_id
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Of the request that this thread works for; empty outside of one, as in commands."""
    return _current.get()


class RequestIdMiddleware:
    """The outermost one. What has another form is nobody's request id and is dropped: it would end in logs and on the services tier."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        before = _current.set(given if _FORM.fullmatch(given) else "")
        try:
            return self.get_response(request)
        finally:
            _current.reset(before)
