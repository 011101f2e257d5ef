"""Nothing that a client wrote reaches a log of web_app or services_app, also of what nginx would never let through (invariant 6).

Spoken to directly, on their own sockets; tests/nginx/test_logs.py asks the same of nginx.
"""

import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from dev import pki
from dev.stack import Stack
from tests.tokens import mint

APPS = ("web_app", "uploads", "control")
CANARY = "k4n4rie"
EVERYWHERE = {
    "User-Agent": f"{CANARY}-agent",
    "Referer": f"https://localhost/{CANARY}-referer",
    "Cookie": f"{CANARY}-cookie={CANARY}-value; __Host-sluice-session={CANARY}-session; __Host-sluice-csrf={CANARY}-csrf",
    "Origin": f"https://{CANARY}-origin.example",
    "X-Forwarded-For": f"{CANARY}-address",
    "X-Forwarded-Proto": "https",
    "X-Request-Id": f"{CANARY}-request",
    f"X-{CANARY}-Name": f"{CANARY}-header",
    "Content-Disposition": f'attachment; filename="{CANARY}-file"',
    "Upload-Metadata": f"filename {CANARY}-metadata",
    "Content-Type": "application/x-www-form-urlencoded",
}
# All but the body is seen where the whole of a request is printed. Of cookies web_app leaves only its own, and names are in upper case.
_SEEN = ("path", "query", "agent", "referer", "session", "origin", "header", "file", "bearer", "host")
PLACES = {f"{CANARY}-{place}" for place in _SEEN} | {f"HTTP_X_{CANARY.upper()}_NAME"}

# Read by each Python as it starts: what records carry, and each request as gunicorn's access log could print it.
LOUD = """
import logging, sys
quiet = logging.StreamHandler.emit
def emit(self, record):
    quiet(self, record)
    sys.stderr.write(repr((record.msg, record.args, record.exc_info)) + "\\n")
logging.StreamHandler.emit = emit
try:
    import gunicorn.glogging
except ImportError:
    pass
else:
    gunicorn.glogging.Logger.access = lambda self, resp, req, environ, seconds: sys.stderr.write(repr(environ) + "\\n")
"""


def connected(stack: Stack, app: str, cert: Path | None = None, key: Path | None = None) -> socket.socket:
    if app == "web_app":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(stack.web_socket))
        return connection
    context = ssl.create_default_context(cafile=stack.keys.inside_ca)
    context.load_cert_chain(cert or stack.keys.nginx_cert, key or stack.keys.nginx_key)
    port = stack.uploads_port if app == "uploads" else stack.control_port
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 20), server_hostname=pki.SERVICES_NAME)


def head(method: str, target: str, headers: dict[str, str], end: str = "\r\n") -> bytes:
    lines = {"Host": "localhost", "Connection": "close"} | headers
    return (f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + end).encode()


def everything_that_can_go_wrong(stack: Stack, app: str) -> set[bytes]:
    """Each fault with the canary in every place; the statuses of the answers."""
    statuses = set()

    def say(request: bytes, **whose) -> None:
        with connected(stack, app, **whose) as connection, contextlib.suppress(OSError):
            connection.sendall(request)
            statuses.add(connection.recv(4096)[9:12])

    token, body = mint(stack), f"username={CANARY}-body&password={CANARY}-body".encode()
    bearers = [{"Authorization": f"Bearer {each}"} for each in (f"{CANARY}-bearer", f"{CANARY}.{CANARY}.{CANARY}", token)]
    paths = {
        "web_app": ["/", "/accounts/login/", "/api/v1/uploads", f"/api/v1/uploads/{CANARY}-path", "/admin/login/"],
        "uploads": ["/u", f"/u/{CANARY}-path"],
        "control": ["/u", "/u/check", "/authorize", f"/u/{CANARY}-path", f"/internal/v1/grants/{CANARY}-path", "/metrics"],
    }[app] + [f"/{CANARY}-path"]
    length = {"Content-Length": str(len(body))}
    for target in (f"{path}?a={CANARY}-query" for path in paths):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", CANARY.upper()):
            for bearer in bearers:
                say(head(method, target, EVERYWHERE | bearer | length) + body)
        for host in (f"{CANARY}-host.example", f"localhost/{CANARY}-host", f"{CANARY}\\host", f"[{CANARY}-host"):
            say(head("POST", target, EVERYWHERE | {"Host": host} | length) + body)
    if app == "control":
        for path in (f"/internal/v1/grants?ids={CANARY}-query", f"/internal/v1/revocations?until={CANARY}-query", "/internal/v1/objects/x"):
            say(head("GET", path, EVERYWHERE | bearers[0]), cert=stack.keys.web_app_cert, key=stack.keys.web_app_key)
    first = head("POST", f"{paths[0]}?{CANARY}-query", EVERYWHERE, "")
    for raw in (
        f"{CANARY}\x01: {CANARY}\r\n\r\n",
        f"{CANARY}\r\n\r\n",
        f"{CANARY} x: {CANARY}\r\n\r\n",
        f" {CANARY}: folded\r\n\r\n",
        f"X-{CANARY}: a\x00{CANARY}\r\n\r\n",
        f"X_{CANARY}: {CANARY}\r\n\r\n",
        f"Content-Length: {CANARY}\r\n\r\n",
        f"Content-Length: 5\r\nContent-Length: 6\r\nX: {CANARY}\r\n\r\n",
        f"Transfer-Encoding: {CANARY}\r\n\r\n",
        f"Transfer-Encoding: chunked\r\n\r\nzz;{CANARY}\r\n{CANARY}",
        f"Transfer-Encoding: chunked\r\n\r\n5\r\n{CANARY}",
        f"Content-Length: 99\r\n\r\n{CANARY}",
        f"Expect: {CANARY}\r\n\r\n",
        f"X-{CANARY}: {'y' * 20_000}\r\n\r\n",
        "".join(f"X-{CANARY}-{number}: x\r\n" for number in range(200)) + "\r\n",
    ):
        say(first + raw.encode())
    for raw in (
        f"GET /{CANARY}{'x' * 9000} HTTP/1.1\r\n\r\n",
        f"GET /{CANARY} HTTP/{CANARY}\r\n\r\n",
        f"GET /{CANARY}%zz%00?{CANARY} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        f"GET http://{CANARY}:{CANARY}@{CANARY}/{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\nConnection: close\r\n\r\n",
        f"GET //{CANARY}@[{CANARY}/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        f"{CANARY} {CANARY}\r\n\r\n",
        f"PRI * HTTP/2.0\r\n\r\n{CANARY}\r\n\r\n",
        f"\x16\x03\x01{CANARY}\r\n\r\n",
    ):
        say(raw.encode("latin-1"))
    return statuses


def with_everything_broken(stack: Stack, app: str) -> None:
    """The database is no database any more: what is logged then comes with its traceback."""
    state = stack.web_state if app == "web_app" else stack.services_state
    for file in state.rglob("*.sqlite3*"):
        file.write_bytes(os.urandom(8192))
    everything_that_can_go_wrong(stack, app)


def what_was_logged(tmp_path: Path, app: str, do: Callable[[Stack, str], object], env: dict[str, str]) -> tuple[str, object]:
    with Stack(tmp_path / "stack", env=dict.fromkeys(APPS, env)) as stack:
        done = do(stack, app)
        stack.stop_process(app)
        return stack.log(app).read_text(errors="replace"), done


@pytest.mark.parametrize("app", APPS)
def test_nothing_that_a_client_wrote_is_in_the_log_of_an_app_whatever_goes_wrong(tmp_path, app):
    written, statuses = what_was_logged(tmp_path, app, everything_that_can_go_wrong, {"LOG_LEVEL": "DEBUG"})
    assert CANARY not in written.lower()
    assert {b"400", b"404"} <= statuses, "they came in"
    assert app == "web_app" or '"code": "token_malformed", "count": ' in written, "told as it stops"


@pytest.mark.parametrize("app", ["web_app", "control"])
def test_nor_while_the_database_is_broken(tmp_path, app):
    written, _ = what_was_logged(tmp_path, app, with_everything_broken, {"LOG_LEVEL": "DEBUG"})
    assert CANARY not in written.lower()
    assert '"level": "error"' in written and '"DatabaseError"' in written


@pytest.mark.parametrize("app", APPS)
def test_control_with_a_log_of_all_that_records_carry_each_place_is_found(tmp_path, app):
    (tmp_path / "loud").mkdir()
    (tmp_path / "loud" / "sitecustomize.py").write_text(LOUD)
    written, _ = what_was_logged(tmp_path, app, everything_that_can_go_wrong, {"PYTHONPATH": str(tmp_path / "loud")})
    assert {place for place in PLACES if place not in written} == set()
