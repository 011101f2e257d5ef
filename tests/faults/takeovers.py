"""Senders that a test leaves hanging, on their way through nginx or straight into one of two uploads processes."""

import contextlib
import http.client
import json
import os
import random
import socket
import ssl
import struct
import threading
import time
from pathlib import Path

from dev import health, pki
from dev.ports import free_ports
from dev.processes import Service, wait_until
from tests.tokens import mint
from tests.waiting import wait_for

APPEND = {"Content-Type": "application/partial-upload"}


class Route:
    """A way to send requests: to `port` of this machine, under the name that its certificate has."""

    def __init__(self, port: int, context: ssl.SSLContext, name: str):
        self.port, self.context, self.name = port, context, name

    def begin(self, method: str, path: str, length: int, fields: dict) -> ssl.SSLSocket:
        """Send the head of a request."""
        wire = self.context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), 20), server_hostname=self.name
        )
        head = {"Host": self.name, "Content-Length": length, "Connection": "close", **fields}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        wire.sendall(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return wire

    def ask(
        self, method: str, path: str, fields: dict, body: bytes = b""
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        with self.begin(method, path, len(body), fields) as wire:
            wire.sendall(body)
            return answer(wire, method)


def answer(wire: ssl.SSLSocket, method: str = "PATCH") -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, header fields and body of what is answered on this connection."""
    response = http.client.HTTPResponse(wire, method=method)
    response.begin()
    return response.status, response.headers, response.read()


def through_nginx(stack) -> Route:
    return Route(stack.edge_port, ssl.create_default_context(cafile=stack.keys.edge_ca), "localhost")


def straight_into(stack, port: int) -> Route:
    """As nginx calls it."""
    context = ssl.create_default_context(cafile=stack.keys.inside_ca)
    context.load_cert_chain(stack.keys.nginx_cert, stack.keys.nginx_key)
    return Route(port, context, pki.SERVICES_NAME)


@contextlib.contextmanager
def second_process(stack):
    """Another uploads process beside the stack's own, with the same database and NAS: (its service, the way to it)."""
    with _another(stack, "uploads-2", []) as made:
        yield made


@contextlib.contextmanager
def other_host(stack):
    """The same, as if on another machine: its processes cannot be told from here, nor ours from there (leases.py)."""
    as_whom = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    with _another(stack, "uploads-3", ["unshare", *as_whom, "--pid", "--fork", "--kill-child", "--mount-proc"]) as made:
        yield made


@contextlib.contextmanager
def _another(stack, name: str, within: list[str]):
    first, (port,) = stack.services["uploads"], free_ports(1)
    env = {**first.env, "UPLOADS_BIND": f"127.0.0.1:{port}"}
    service = Service(name, [*within, *first.command], env, Path(stack.logs, f"{name}.log"))
    try:
        start(stack, service)
        yield service, straight_into(stack, port)
    finally:
        service.kill()


def start(stack, service: Service) -> None:
    port = int(service.env["UPLOADS_BIND"].rpartition(":")[2])
    service.start()
    wait_until({service: lambda: health.uploads_answers(port, stack.keys)}, 40)


class Upload:
    """One upload of random bytes, sent by one request after another, each of which may be left hanging."""

    def __init__(self, stack, seed: int, size: int):
        self.random = random.Random(seed)
        self.content, self.offset = self.random.randbytes(size), 0
        self.edge = through_nginx(stack)
        self._token = {"Authorization": f"Bearer {mint(stack)}"}
        status, headers, _ = self.edge.ask("POST", "/u", {**self._token, "Upload-Complete": "?0"})
        assert status == 201
        self.path = "/u/" + headers["Location"].rpartition("/")[2]

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]

    def send(self, route: Route, count: int) -> ssl.SSLSocket:
        """Begin to send all that is missing, stop after `count` bytes, return when the server is receiving them."""
        missing = len(self.content) - self.offset
        fields = {**self._token, **APPEND, "Upload-Offset": self.offset, "Upload-Complete": "?1"}
        wire = route.begin("PATCH", self.path, missing, fields)
        wire.sendall(self.content[self.offset : self.offset + count])
        wait_for(lambda: self.state()["state"] == "receiving", 10)
        return wire

    def state(self) -> dict:
        """As the grant tells it, which disturbs nobody."""
        return json.loads(self.edge.ask("GET", "/u", self._token)[2])["uploads"][-1]

    def head(self) -> tuple[int, int | None]:
        """Status and offset."""
        status, headers, _ = self.edge.ask("HEAD", self.path, self._token)
        return status, int(headers["Upload-Offset"]) if "Upload-Offset" in headers else None

    def probe(self, route: Route) -> tuple[int, int | None]:
        """The same by an append of nothing at the offset that was known last."""
        fields = {**self._token, **APPEND, "Upload-Offset": self.offset, "Upload-Complete": "?0"}
        status, headers, _ = route.ask("PATCH", self.path, fields)
        return status, int(headers["Upload-Offset"]) if "Upload-Offset" in headers else None

    def finish(self) -> dict:
        fields = {**self._token, **APPEND, "Upload-Offset": self.offset, "Upload-Complete": "?1"}
        status, _, body = self.edge.ask("PATCH", self.path, fields, self.content[self.offset :])
        assert status == 201, body
        return json.loads(body)


class Drip:
    """Goes on sending, `piece` bytes at a time, until it is stopped or cut off. `sent` counts."""

    def __init__(self, wire: ssl.SSLSocket, content: bytes, *, piece: int = 1000, pause: float = 0.005):
        self.sent, self._wire, self._content = 0, wire, content
        self._piece, self._pause = piece, pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stop.is_set() and self.sent + self._piece < len(self._content):
                self._wire.sendall(self._content[self.sent : self.sent + self._piece])
                self.sent += self._piece
                time.sleep(self._pause)

    def stop(self) -> int:
        self._stop.set()
        self._thread.join(20)
        return self.sent


def cut(wire: ssl.SSLSocket) -> None:
    """End a connection by a reset, as a killed sender's kernel does."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def disturb(wire: ssl.SSLSocket) -> None:
    """What an older request sends after it was taken over; nobody may ever see it."""
    with contextlib.suppress(OSError):
        wire.settimeout(1)
        wire.sendall(b"\xff" * 20_000)
