"""What happens to every request before anything else looks at it."""

import ipaddress

from web_app.config.errors import BodyTooLarge, LengthRequired, MultipartRefused, Problem, RequestMalformed
from web_app.config.problems import problem_response

BODY_LIMIT = 16 * 1024


class NginxPeer:
    """Give REMOTE_ADDR, empty on a unix socket, the address that nginx saw.

    nginx sets X-Forwarded-For itself and passes on nothing that a client sent under that name; the unix socket lets
    nobody else in. A request that did come over TCP (tests, runserver) keeps its own address and is believed nothing.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.META.get("REMOTE_ADDR"):
            request.META.pop("HTTP_X_FORWARDED_FOR", None)
        else:
            request.META["REMOTE_ADDR"] = _address(request.META.get("HTTP_X_FORWARDED_FOR", ""))
        return self.get_response(request)


def _address(forwarded: str) -> str:
    try:
        return str(ipaddress.ip_address(forwarded.rpartition(",")[2].strip()))
    except ValueError:
        return ""


class PlainCookies:
    """Leave out a cookie that holds a NUL, as a quoted value may spell it (`"\\000"`): PostgreSQL takes none in a text, and to
    look for such a session would be an internal error.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.COOKIES = {name: value for name, value in request.COOKIES.items() if "\0" not in value}
        return self.get_response(request)


class SmallBodiesOnly:
    """Refuse what could carry a file, before a byte of it is read (invariant 1)."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        try:
            _refuse_what_could_carry_a_file(request.META)
        except Problem as problem:
            return problem_response(problem)
        return self.get_response(request)


def _refuse_what_could_carry_a_file(meta: dict) -> None:
    if meta.get("CONTENT_TYPE", "").strip().lower().startswith("multipart/"):
        raise MultipartRefused
    if meta.get("HTTP_TRANSFER_ENCODING"):
        raise LengthRequired
    length = meta.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal():
        raise RequestMalformed("Content-Length must be a whole number.")
    if int(length) > BODY_LIMIT:
        raise BodyTooLarge(received=int(length), limit=BODY_LIMIT)
