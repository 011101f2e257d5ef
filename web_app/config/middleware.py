"""What happens to every request before anything else looks at it."""

import ipaddress
import re
import select
import socket

from web_app.config.errors import BodyTooLarge, LengthRequired, MultipartRefused, Problem, RequestMalformed, WebBusy
from web_app.config.problems import problem_page, problem_response

BODY_LIMIT = 16 * 1024
OURS = re.compile(r"__Host-sluice-[a-z-]+")
_NO_NAME = re.compile(r"[^\x21-\x7e]")  # in no name of a cookie


class SomebodyWaits:
    """Do nothing for whom nobody waits any more: the client went, or nginx gave up, while the request stood in the queue. Costly ones
    would else be worked off long after those who flooded us have gone.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if _has_gone(request.META.get("gunicorn.socket")):
            return problem_response(WebBusy())
        return self.get_response(request)


def _has_gone(connection: socket.socket | None) -> bool:
    """Whether nginx has closed this connection; what it sent before may still lie in it unread."""
    if connection is None:
        return False
    poller = select.poll()
    poller.register(connection, select.POLLRDHUP)
    return bool(poller.poll(0))


class ProblemsOfPages:
    """What refuses a page says so in words, as the API says it in JSON (config/api.py)."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        return problem_page(request, exception) if isinstance(exception, Problem) else None


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


class OwnCookies:
    """Cookies are an allow-list: ours by their exact names, each at most once; all others are left out (ADR 0025).

    Django strips whatever Unicode calls white space from a cookie's name, and lets the last one win. nginx refuses the same
    ones first (nginx/maps/cookies.conf).
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        try:
            own = _own_cookies(request.META.get("HTTP_COOKIE", ""))
        except Problem as problem:
            return problem_response(problem)
        request.META["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in own.items())
        # A quoted value may spell a NUL (`"\\000"`): PostgreSQL takes none in a text, and to look for such a session would be an
        # internal error.
        request.COOKIES = {name: value for name, value in request.COOKIES.items() if "\0" not in value}
        return self.get_response(request)


def _own_cookies(header: str) -> dict[str, str]:
    """Names and values of ours as they were sent. Raises RequestMalformed where one of them is imitated or doubled."""
    own: dict[str, str] = {}
    for pair in header.split(";"):
        name, equals, value = pair.removeprefix(" ").partition("=")
        if not equals:
            continue
        imitated = _NO_NAME.search(name) and "__host-sluice-" in name.lower()
        if imitated or name in own:
            raise RequestMalformed("A cookie imitates one of this site. Delete the cookies of this site and of its neighbours.")
        if OURS.fullmatch(name):
            own[name] = value
    return own


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
