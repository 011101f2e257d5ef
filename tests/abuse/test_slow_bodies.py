"""Small requests that come a byte at a time hold a connection of nginx, and nobody behind it. ADR 0024."""

import contextlib
import socket
import ssl
import threading

import pytest

from tests.abuse.conftest import ELSEWHERE
from tests.curl import curl
from tests.tokens import mint

SENDERS = 60  # web_app has 8 threads, the control listener 16
PAUSE = 1.0  # seconds between two bytes of each

LENGTH = "Content-Length: 15000"
CHUNKED = "Transfer-Encoding: chunked"
FORM = "Cookie: __Host-sluice-csrf={mark}\r\nOrigin: https://{host}\r\nContent-Type: application/x-www-form-urlencoded"
CHECK = "Authorization: Bearer {token}\r\nUpload-Length: 20000"

ATTACKS = {
    "sign-in": ("POST /accounts/login/", FORM, LENGTH, b"x"),
    "sign-in in chunks": ("POST /accounts/login/", FORM, CHUNKED, b"1\r\nx\r\n"),
    "admin sign-in": ("POST /admin/login/", FORM, LENGTH, b"x"),
    "ask for a grant": ("POST /api/v1/uploads", "Authorization: Bearer {key}\r\nContent-Type: application/json", LENGTH, b" "),
    "a page with a body": ("GET /", FORM, LENGTH, b"x"),
    "check": ("POST /u/check", CHECK, LENGTH, b"x"),
    "check in chunks": ("POST /u/check", CHECK, CHUNKED, b"1\r\nx\r\n"),
}


@contextlib.contextmanager
def slow_senders(stack, head: str, piece: bytes):
    """So many connections, each with the head and then a piece now and then, until the block ends."""
    context = ssl.create_default_context(cafile=stack.keys.edge_ca)
    over = threading.Event()
    with contextlib.ExitStack() as connections:
        running = []
        for _ in range(SENDERS):
            plain = connections.enter_context(socket.create_connection(("127.0.0.1", stack.edge_port), 10))
            running.append(connections.enter_context(context.wrap_socket(plain, server_hostname="localhost")))
            running[-1].sendall(head.encode() + piece)

        def drip():
            while not over.wait(PAUSE):
                for connection in running:
                    with contextlib.suppress(OSError):  # refused already, which is what is wanted
                        connection.sendall(piece)

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        try:
            yield
        finally:
            over.set()
            dripping.join()


@pytest.mark.parametrize("attack", ATTACKS)
def test_small_bodies_that_trickle_in_hold_up_nobody_else(own, bystander, attack):
    request, headers, framing, piece = ATTACKS[attack]
    host = f"localhost:{own.edge_port}"
    headers = headers.format(host=host, token=mint(own), key=own.api_key, mark="a" * 32)
    head = f"{request} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{framing}\r\n\r\n"
    with slow_senders(own, head, piece):
        assert curl(own, "/healthz", "--interface", ELSEWHERE, time_limit=5).status == 200
        assert bystander.uploads()
